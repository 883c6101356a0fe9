"""Prompts of a store: asked as they stand, rewarded by the verifiers they name, mixed by weight, and without
those that the start solves already."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests.training.core_jobs import events, log_of, run_here
from tests.training.judge_server import Judge
from tests.training.rl.conftest import make_rl
from tests.training.rl.prompt_stores import ids_in, short_answers, tokenizer_of, write_prompts
from tracing.core.stores.store import TokenStore
from training.core.checkpoints import read_checkpoint
from training.core.errors import TrainingError
from training.core.events import Events
from training.core.job import Job
from training.core.machine import Machine, read_machine, write_machine
from training.core.model import load_model
from training.core.recipe_files import read_job
from training.core.rl.easy import FILE, EasyFilter
from training.core.rl.groups import rewarded
from training.core.rl.lookup import documents_at, step_of
from training.core.rl.policy import answer_batch, token_logprobs
from training.core.rl.prompts import Prompts
from training.core.rl.record import Record
from training.core.rl.rollouts import Rollout
from training.core.rl.tasks import Asked, Mixture
from training.core.verifiers.verdict import VerifierError
from training.core.verifiers.verifiers import Verifiers

ROWS = [
    {"question": "What is 2 + 2?", "verifier": "math", "reference": "4"},
    {"question": "Write add.", "verifier": "code", "reference": {"tests": ["assert add(2, 3) == 5"]}},
    {"question": "Shout.", "verifier": "constraints", "reference": [{"kind": "upper_case"}]},
    {"question": "Which city?", "verifier": "judge", "reference": "Paris"},
]


def test_each_prompt_is_asked_in_its_own_ids_and_rewarded_by_its_own_verifier(
    trained: Path, judge: Judge
) -> None:
    judge.say('{"score": 0.75, "reason": "Nearly."}')
    folder = write_prompts(trained, "kinds", ROWS)
    warned: list[str] = []
    with TokenStore.open(folder) as store, Verifiers(judge=judge.endpoint) as verifiers:
        asked = Prompts(store, verifiers, context=256, warn=warned.append).all()
        assert [list(item.prompt_ids) for item in asked] == [ids_in(store, n) for n in range(4)]
        good = ["The answer is 4.", "def add(a, b):\n    return a + b", "LOUD", "Paris"]
        assert [item.reward(text) for item, text in zip(asked, good, strict=True)] == [1, 1, 1, 0.75]
        assert [item.reward("def add(a, b):\n    return 4, loud") for item in asked[:3]] == [0, 0, 0]
    assert asked[3].source == {
        "title": "row 4",
        "row": 4,
        "verifier": "judge",
        "prompt": {"store": "kinds", "document": 3},
    }
    assert "Which city?" in judge.asked[0][1]["messages"][1]["content"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "Hm?"}, "no 'verifier'"),
        ({"question": "Hm?", "verifier": "magic", "reference": "4"}, "no verifier 'magic'"),
        ({"question": "Hm?", "verifier": "judge", "reference": "4"}, "HEADWATER_JUDGE_URL"),
        ({"question": "so long " * 200, "verifier": "math", "reference": "4"}, "no prompt left to ask"),
    ],
)
def test_prompts_that_cannot_be_rewarded_or_answered_are_refused(
    trained: Path, row: dict[str, str], said: str
) -> None:
    folder = write_prompts(trained, f"refused-{abs(hash(said))}", [row])
    with (
        TokenStore.open(folder) as store,
        Verifiers() as verifiers,
        pytest.raises(TrainingError, match=said),
    ):
        Prompts(store, verifiers, context=256, warn=lambda text: None)


class Always:
    def __init__(self, key: str) -> None:
        self.key = key

    def draw(self, rng: random.Random) -> Asked:
        return Asked(self.key, (1,), lambda text: 0.0)


def test_a_mixture_draws_as_often_as_its_weights_say() -> None:
    rng, mixture = random.Random(1), Mixture([(Always("a"), 3.0), (Always("b"), 1.0)])
    drawn = Counter(mixture.draw(rng).key for _ in range(2000))
    assert drawn["a"] / 2000 == pytest.approx(0.75, abs=0.04)
    with pytest.raises(TrainingError, match="nothing to ask"):
        Mixture([])


class Solver:
    """Solves prompt number n in n of 8 answers."""

    name = "a solver"

    def __init__(self, order: Sequence[tuple[int, ...]]) -> None:
        self._order = list(order)
        self.asked = 0

    def ask(self, prompts: Sequence[Sequence[int]], answers: int, seed: int) -> list[list[Rollout]]:
        self.asked += len(prompts)
        return [self._answers(self._order.index(tuple(prompt)), answers) for prompt in prompts]

    def update(self, version: int) -> None:
        pass

    def _answers(self, right: int, answers: int) -> list[Rollout]:
        texts = ["short" if n < right else "far too long to be right" for n in range(answers)]
        return [Rollout((1,), (2,), (-0.1,), text) for text in texts]


def test_prompts_that_the_start_solves_too_often_are_left_out_and_a_killed_pass_goes_on(
    trained: Path, tmp_path: Path
) -> None:
    folder = write_prompts(trained, "ladder", short_answers(9))
    with TokenStore.open(folder) as store, Verifiers() as verifiers, Events(tmp_path) as written:
        prompts = Prompts(store, verifiers, context=256, warn=lambda text: None)
        solver = Solver([item.prompt_ids for item in prompts.all()])
        filtering = EasyFilter(tmp_path, written, answers=8, batch=4, easy=0.625)
        filtering.apply(prompts, solver, None, seed=1)
        assert [item.key for item in prompts.all()] == [f"ladder/{n}" for n in range(6)]  # up to 5 of 8
        assert solver.asked == 9
        lines = (tmp_path / FILE).read_text().splitlines()
        (tmp_path / FILE).write_text("\n".join(lines[:4]) + "\n" + lines[4][:10])  # killed while writing
        prompts = Prompts(store, verifiers, context=256, warn=lambda text: None)
        filtering.apply(prompts, solver, None, seed=1)
        assert solver.asked == 9 + 5
        assert len(prompts) == 6
    logged = [event["text"] for event in events(tmp_path, "log")]
    assert logged[0] == logged[1]
    assert "3 of 9 prompts left out" in logged[0]


def test_a_group_that_cannot_be_verified_is_neither_rewarded_nor_punished() -> None:
    def fails(text: str) -> float:
        if text == "second":
            raise VerifierError("the judge is away")
        return 1.0

    rollouts = [Rollout((1,), (2,), (-0.1,), text) for text in ("first", "second")]
    group = rewarded(Asked("a", (1,), fails), rollouts)
    assert group.rewards == ()
    assert not group.has_signal
    assert group.failure == "the judge is away"


def test_a_job_whose_judge_is_away_says_so_and_fails_before_it_learns_from_nothing(trained: Path) -> None:
    rows = [{"question": f"City {n}?", "verifier": "judge", "reference": None} for n in range(3)]
    write_prompts(trained, "judged", rows)
    folder = make_rl(trained, "away", store="judged")
    nobody = Judge()
    nobody.server_close()
    write_machine(folder, Machine(judge=nobody.endpoint))
    assert run_here(folder) == 1
    warnings = [event["text"] for event in events(folder, "log") if event["level"] == "warning"]
    assert "groups left out, because they could not be verified: the judge at" in warnings[0]
    assert "3 steps on end" in events(folder, "failed")[-1]["error"]
    with Events(folder) as written:
        record = Record(Job(folder, read_job(folder), written), "")
        assert record.groups(1) == []
        assert all("does not answer" in out.why for out in record.dropped(1))
        assert all(len(out.group.rollouts) == 4 for out in record.dropped(1))


def test_only_its_owner_may_read_what_the_machine_offers(tmp_path: Path, judge: Judge) -> None:
    write_machine(tmp_path, Machine("python", "/run", judge.endpoint))
    assert (tmp_path / "machine.json").stat().st_mode & 0o777 == 0o600
    assert read_machine(tmp_path) == Machine("python", "/run", judge.endpoint)
    (tmp_path / "machine.json").write_text("{")
    with pytest.raises(TrainingError, match=r"machine\.json"):
        read_machine(tmp_path)


@pytest.fixture(scope="module")
def mixed(trained: Path) -> Path:
    write_prompts(trained, "short", short_answers(12))
    folder = make_rl(trained, "mixed", sources=[{"weight": 1.0}, {"store": "short", "weight": 3.0}])
    assert run_here(folder) == 0, log_of(folder)
    return folder


def test_what_was_trained_on_is_in_the_store_byte_for_byte_with_its_step(trained: Path, mixed: Path) -> None:
    """The log-probabilities that were kept are those of the start for the ids in the store: of step 1."""
    manifest = read_checkpoint(trained / "checkpoints" / "mixed-rl-zero")
    model = load_model(trained / "checkpoints" / "t-midtrain")
    with Events(mixed) as written:
        record = Record(Job(mixed, read_job(mixed), written), "")
        for read in manifest.stores:
            with TokenStore.open(trained / "stores" / read.name) as store:
                check_steps(store, record, model)


def check_steps(store: TokenStore, record: Record, model: object) -> None:
    steps = sorted({step_of(store, document) for document in range(store.documents)})
    found = [documents_at(store, step) for step in steps]
    assert [document for documents in found for document in documents] == list(range(store.documents))
    for step, documents in zip(steps, found, strict=True):
        rollouts = [rollout for group in record.groups(step) for rollout in group.rollouts]
        trained_on = [[*rollout.prompt_ids, *rollout.answer_ids] for rollout in rollouts]
        assert [ids_in(store, document) for document in documents] == trained_on
        if step == 1:
            with torch.no_grad():
                expected = token_logprobs(model, answer_batch(rollouts, padding=0)).tolist()
            kept = [log for rollout in rollouts for log in rollout.logprobs]
            assert kept == pytest.approx(expected, abs=0.03)  # sampled in bf16, where there is any
    assert documents_at(store, steps[-1] + 1) == []


def test_rollouts_say_the_prompt_and_row_that_they_are_of(trained: Path, mixed: Path) -> None:
    manifest = read_checkpoint(trained / "checkpoints" / "mixed-rl-zero")
    prompts = tokenizer_of(trained).decode
    with TokenStore.open(trained / "stores" / "short") as asked:
        for read in manifest.stores:
            with TokenStore.open(trained / "stores" / read.name) as store:
                for document in range(store.documents):
                    metadata = store.metadata(document)
                    if "prompt" not in metadata:
                        continue  # a sum
                    place = metadata["prompt"]["document"]
                    first = metadata["loss"][0][0]
                    assert ids_in(store, document)[:first] == ids_in(asked, place)
                    assert metadata["row"] == place + 1
                    assert prompts(ids_in(asked, place)) == f"Say {place}.\n\n"


def test_a_step_in_portions_is_the_same_step(trained: Path) -> None:
    write_prompts(trained, "portioned", short_answers(12))
    found = []
    for name, rows in (("whole", 0), ("in-threes", 3)):
        changes = {"micro_batch_size": rows, "steps": 1, "batch_size": 4, "rounds": 8}
        folder = make_rl(trained, name, store="portioned", **changes)
        assert run_here(folder) == 0, log_of(folder)
        found.append(events(folder, "metric")[-1])
    for told in ("loss", "gradient_norm", "reward", "answer_tokens", "engine_gap", "asked"):
        assert found[0][told] == pytest.approx(found[1][told], rel=0.02, abs=1e-4), told
    assert found[0]["gradient_norm"] > 0


def test_prompts_held_out_are_measured_and_never_trained_on(trained: Path) -> None:
    write_prompts(trained, "some", short_answers(12))
    folder = make_rl(trained, "measured", store="some", held_out=4)
    assert run_here(folder) == 0, log_of(folder)
    manifest = read_checkpoint(trained / "checkpoints" / "measured-rl-zero")
    assert 0 <= manifest.metrics["held_out_reward_before"] <= 1
    assert 0 <= manifest.scores["held_out_reward"] <= 1
    kept = [json.loads(path.read_text()) for path in (folder / "rollouts").glob("*.json")]
    asked = {group["key"] for step in kept for group in (*step["groups"], *step["dropped"])}
    with TokenStore.open(trained / "stores" / "some") as store, Verifiers() as verifiers:
        prompts = Prompts(store, verifiers, context=256, warn=lambda text: None, held_out=4)
        unseen = {item.key for item in prompts.held_out()}
    assert len(unseen) == 4
    assert asked
    assert not asked & unseen


def test_a_run_says_what_sampled_and_keeps_what_it_dropped(mixed: Path) -> None:
    said = [event["text"] for event in events(mixed, "log")]
    assert any(text.startswith("answers are sampled by the training process (no engine") for text in said)
    metric = events(mixed, "metric")[-1]
    assert {"reward", "asked", "kept", "stale", "unverified", "staleness", "engine_gap"} <= metric.keys()
    assert (metric["stale"], metric["unverified"], metric["staleness"]) == (0, 0, 0)
    kept = [json.loads(path.read_text()) for path in sorted((mixed / "rollouts").glob("*.json"))]
    assert len(kept) == 4
    keys = [group["key"] for step in kept for group in (*step["groups"], *step["dropped"])]
    assert any(key.startswith("short/") for key in keys)
    assert {out["why"] for step in kept for out in step["dropped"]} <= {"all rewards are equal"}
