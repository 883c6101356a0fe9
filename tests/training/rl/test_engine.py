"""Rollouts from a real vLLM: its log-probabilities are ours, it takes new weights in mid-answer, its death is
noticed, and no answer is used that is further behind than allowed."""

import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tests.training.core_jobs import events, log_of, run_here, start
from tests.training.rl.conftest import make_rl
from tests.training.rl.prompt_stores import ids_in, short_answers, tokenizer_of, write_prompts
from tracing.core.stores.store import TokenStore
from training.core.checkpoints import read_checkpoint
from training.core.errors import EngineLost
from training.core.events import Events
from training.core.job import Job
from training.core.machine import Machine, write_machine
from training.core.model import load_model
from training.core.recipe_files import read_job
from training.core.rl.ahead import AskAhead
from training.core.rl.collecting import Sampling
from training.core.rl.engine_actor import Asking, EngineActor
from training.core.rl.engine_life import RESTARTS, EngineLife
from training.core.rl.groups import STALE, UNUSED
from training.core.rl.lookup import step_of
from training.core.rl.policy import answer_batch, token_logprobs
from training.core.rl.record import Record
from training.core.rl.rollouts import Rollout
from training.core.rl.tasks import Asked
from training.core.serving.engine_process import EngineConfig, EngineProcess
from training.core.serving.weights import write_weights

PYTHON = Path(__file__).parents[3] / ".venv-engine/bin/python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="no engine environment: run `make engine`")


class Bench:
    """An engine beside a model that plays the learner."""

    def __init__(self, home: Path, folder: Path, *, longest: int) -> None:
        self.model = load_model(home / "checkpoints" / "t-midtrain")
        self.start = {name: weight.clone() for name, weight in self.model.state_dict().items()}
        self.warnings: list[str] = []
        self.process = EngineProcess(
            EngineConfig(0, PYTHON, folder / "run", folder / "engine.log", kind="vllm")
        )
        self.prompt = tokenizer_of(home).encode("What is 20 + 11?\n\n").ids
        self.actor = EngineActor(
            EngineLife(self.process, self.warnings.append),
            Asking(tokenizer_of(home), longest, 256),
            write=lambda target: write_weights(self.model, home / "tokenizers" / "t", "plain", target),
            folder=folder / "weights",
        )

    def move(self, seed: int, scale: float = 0.02) -> None:
        """A step of the learner, so to speak."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in self.model.parameters():
                weight += scale * torch.randn(weight.shape, generator=generator)

    def logprobs(self, rollouts: list[Rollout]) -> list[float]:
        with torch.no_grad():
            found: list[float] = token_logprobs(self.model, answer_batch(rollouts, padding=0)).tolist()
        return found

    def kill(self) -> None:
        """The whole group: vLLM's own processes too."""
        assert self.process.pid
        os.killpg(self.process.pid, signal.SIGKILL)


def logs(rollouts: list[Rollout]) -> list[float]:
    return [log for rollout in rollouts for log in rollout.logprobs]


@pytest.fixture(scope="module")
def bench(trained: Path) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="rl-") as short:  # of a path that fits a socket
        before = engine_processes()
        bench = Bench(trained, Path(short), longest=96)
        with bench.actor:
            yield bench
        assert engine_processes() <= before


def engine_processes() -> set[int]:
    """Those that this process started; the engines of other tests may be among them."""
    children = psutil.Process().children()
    return {child.pid for child in children if "launch_engine" in str(child.cmdline())}


def test_the_engine_s_log_probabilities_are_ours_and_answers_end_where_they_end(bench: Bench) -> None:
    groups = bench.actor.ask([bench.prompt, bench.prompt[:3]], 4, seed=5)
    rollouts = [rollout for group in groups for rollout in group]
    assert [len(group) for group in groups] == [4, 4]
    assert [list(r.prompt_ids) for r in rollouts] == [bench.prompt] * 4 + [bench.prompt[:3]] * 4
    assert logs(rollouts) == pytest.approx(bench.logprobs(rollouts), abs=1e-3)
    assert len({rollout.answer_ids for rollout in rollouts}) > 4
    for rollout in rollouts:
        assert len(rollout.answer_ids) <= 96
        assert (rollout.first_version, rollout.last_version) == (0, 0)
    assert bench.actor.ask([bench.prompt], 4, seed=5) == groups[:1]


def test_an_update_changes_later_answers_and_leaves_those_in_the_air_going(bench: Bench) -> None:
    """Log-probabilities say which weights each token is from: the old, then the new."""
    old = {name: weight.clone() for name, weight in bench.model.state_dict().items()}
    asked = [bench.actor.engine.spawn(bench.actor.answer(bench.prompt, 8)) for _ in range(12)]
    bench.move(1)
    bench.actor.update(1)
    in_the_air = [rollout for future in asked for rollout in future.result(120)]
    later = bench.actor.ask([bench.prompt], 4, seed=5)[0]
    assert {(rollout.first_version, rollout.last_version) for rollout in later} == {(1, 1)}
    assert logs(later) == pytest.approx(bench.logprobs(later), abs=1e-3)
    across = [rollout for rollout in in_the_air if (rollout.first_version, rollout.last_version) == (0, 1)]
    assert across
    bench.model.load_state_dict(old)
    old_logs = [bench.logprobs([rollout]) for rollout in across]
    firsts = [abs(rollout.logprobs[0] - ours[0]) for rollout, ours in zip(across, old_logs, strict=True)]
    assert min(firsts) < 1e-3  # begun by the old weights
    lasts = [
        min(abs(a - b) for a, b in zip(rollout.logprobs[-3:], ours[-3:], strict=True))
        for rollout, ours in zip(across, old_logs, strict=True)
    ]
    assert max(lasts) > 1e-3  # and ended by others


class Coin:
    """One prompt, whose answers are right by the length of their text."""

    def __init__(self, prompt: list[int]) -> None:
        self.prompt = prompt

    def draw(self, rng: random.Random) -> Asked:
        return Asked(str(rng.random()), tuple(self.prompt), lambda text: float(len(text) % 2))


def test_no_answer_is_used_that_is_further_behind_than_allowed(bench: Bench) -> None:
    sampling = Sampling(prompts=2, answers=4, rounds=20, solved=2.0)
    with ThreadPoolExecutor(2) as pool:
        supply = AskAhead(Coin(bench.prompt), bench.actor, sampling, staleness=1, ahead=4, seed=1, pool=pool)
        stale, used, known = 0, list[int](), set[str]()
        for step in range(10, 16):
            bench.move(step, 0.001)
            collected = supply.collect(step, known)
            assert len(collected.groups) == 2
            used += [step - group.version for group in collected.groups]
            stale += collected.dropped_for(STALE)
            assert all(step - out.group.version > 1 for out in collected.dropped if out.why == STALE)
            time.sleep(0.5)  # the learner steps; answers arrive meanwhile
        leftovers = supply.leftovers()
    assert max(used) <= 1
    assert stale > 0  # four batches ahead cannot all be taken within a step
    assert leftovers
    assert {out.why for out in leftovers} == {UNUSED}


def test_a_killed_engine_is_started_again_on_the_latest_weights(bench: Bench) -> None:
    bench.move(7)
    bench.actor.update(20)
    asked = bench.actor.engine.spawn(bench.actor._ask_all([bench.prompt] * 4, 4, 3))
    time.sleep(0.05)
    bench.kill()
    rollouts = [rollout for group in asked.result(300) for rollout in group]
    assert logs(rollouts) == pytest.approx(bench.logprobs(rollouts), abs=1e-3)
    assert {rollout.last_version for rollout in rollouts} == {20}
    assert "starting it again (1 of 3)" in bench.warnings[-1]


def test_an_engine_that_dies_time_and_again_is_given_up_with_the_reason(bench: Bench) -> None:
    bench.actor.engine.deaths = RESTARTS
    bench.kill()
    with pytest.raises(EngineLost, match="What was published is kept"):
        bench.actor.ask([bench.prompt], 2, seed=1)
    bench.actor.engine.deaths = 0
    assert bench.actor.ask([bench.prompt], 2, seed=1)


def test_a_job_learns_beside_an_engine_and_its_record_is_exact(trained: Path) -> None:
    write_prompts(trained, "beside", short_answers(12))
    folder = make_rl(trained, "beside", store="beside", actor="engine", steps=8, staleness=3)
    with tempfile.TemporaryDirectory(prefix="rl-") as short:
        write_machine(folder, Machine(str(PYTHON), short))
        assert run_here(folder) == 0, log_of(folder)
    assert "answers are sampled by vLLM beside the training process" in [
        event["text"] for event in events(folder, "log")
    ]
    manifest = read_checkpoint(trained / "checkpoints" / "beside-rl-zero")
    assert (manifest.step, manifest.actor) == (8, "vLLM beside the training process")
    metric = events(folder, "metric")[-1]
    assert 0 < metric["engine_gap"] < 0.5
    assert metric["staleness"] <= 3
    with Events(folder) as written:
        record = Record(Job(folder, read_job(folder), written), "")
        for read in manifest.stores:
            with TokenStore.open(trained / "stores" / read.name) as store:
                check_documents(store, record, staleness=3)


def check_documents(store: TokenStore, record: Record, *, staleness: int) -> None:
    for document in range(store.documents):
        metadata = store.metadata(document)
        first, last = metadata["engine_version"]
        assert 0 <= first <= last
        assert metadata["step"] - 1 - staleness <= first <= metadata["step"] - 1
        assert metadata["staleness"] == metadata["step"] - 1 - first
        place = int(metadata["id"].rpartition("/")[2])
        rollout = record.groups(metadata["step"])[metadata["group"]].rollouts[place]
        assert ids_in(store, document) == [*rollout.prompt_ids, *rollout.answer_ids]


def test_a_job_whose_engine_is_killed_for_good_fails_with_the_reason_and_keeps_its_checkpoints(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_prompts(trained, "killed", short_answers(12))
    folder = make_rl(trained, "killed", store="killed", actor="engine", steps=400, checkpoints=399)
    with tempfile.TemporaryDirectory(prefix="rl-") as short:
        python = Path(short) / "python"
        python.write_text(f'#!/bin/sh\nexec {PYTHON} "$@"\n')
        python.chmod(0o700)
        write_machine(folder, Machine(str(python), short))
        killer = threading.Thread(target=kill_for_good, args=(folder, python))
        killer.start()
        assert run_here(folder) == 1
        killer.join()
    assert "the engine cannot be started again" in events(folder, "failed")[-1]["error"]
    [*kept] = events(folder, "checkpoint")
    assert kept
    assert all(Path(event["path"]).is_dir() for event in kept)


def kill_for_good(folder: Path, python: Path) -> None:
    """Once there is a checkpoint."""
    while not events(folder, "checkpoint"):
        time.sleep(0.05)
    python.unlink()
    for process in engines_in(python.parent):
        process.kill()


def test_a_killed_job_leaves_no_engine_and_goes_on_with_an_exact_record(trained: Path) -> None:
    """It is not repeatable to the bit; which rollouts each step of the checkpoint used is known all the
    same."""
    write_prompts(trained, "resumed", short_answers(12))
    folder = make_rl(trained, "resumed", store="resumed", actor="engine", steps=30, save_s=0.0)
    with tempfile.TemporaryDirectory(prefix="rl-") as short:
        write_machine(folder, Machine(str(PYTHON), short))
        with start(folder) as process:
            while not (folder / "state.pt").exists():
                assert process.poll() is None, log_of(folder)
                time.sleep(0.01)
            process.kill()
        wait_until_gone(Path(short))
        assert run_here(folder) == 0, log_of(folder)
    assert any(event["text"].startswith("going on after step") for event in events(folder, "log"))
    manifest = read_checkpoint(trained / "checkpoints" / "resumed-rl-zero")
    steps = set[int]()
    with Events(folder) as written:
        record = Record(Job(folder, read_job(folder), written), "")
        for read in manifest.stores:
            with TokenStore.open(trained / "stores" / read.name) as store:
                check_documents(store, record, staleness=8)
                steps |= {step_of(store, document) for document in range(store.documents)}
    assert max(steps) <= 30
    assert len(steps) > 15


def wait_until_gone(short: Path) -> None:
    for _ in range(300):
        if not any(str(short) in " ".join(words) for words in command_lines()):
            return
        time.sleep(0.1)
    raise AssertionError("the engine outlives its job")


def command_lines() -> Iterator[list[str]]:
    for process in psutil.process_iter():
        try:
            yield process.cmdline()
        except psutil.Error:
            continue


def engines_in(short: Path) -> list[Any]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if str(short) in " ".join(child.cmdline())]


def test_where_there_is_no_vllm_the_process_answers_itself_unless_an_engine_was_asked_for(
    trained: Path,
) -> None:
    write = Machine("/nowhere/python", "")
    folder = make_rl(trained, "without", actor="auto", steps=1)
    write_machine(folder, write)
    assert run_here(folder) == 0, log_of(folder)
    [said] = [event["text"] for event in events(folder, "log") if "sampled" in event["text"]]
    assert said.startswith("answers are sampled by the training process (no engine: ")
    assert read_checkpoint(trained / "checkpoints" / "without-rl-zero").actor == "the training process"
    folder = make_rl(trained, "demanded", actor="engine", steps=1)
    write_machine(folder, write)
    assert run_here(folder) == 1
    assert "set actor to auto or process" in events(folder, "failed")[-1]["error"]
