"""Jobs in real processes: what they publish, how they go on after a kill, and how they fail."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.training.core_jobs import (
    RECIPES,
    ROOT,
    Event,
    events,
    log_of,
    losses,
    make_job,
    run,
    run_here,
    start,
)
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from training.core.bounds import build
from training.core.checkpoints import file_digest, read_checkpoint
from training.core.evaluation.exam import library_answers
from training.core.library import Library
from training.core.recipe import PretrainRecipe, TrainRecipe
from training.core.recipe_files import read_job
from training.core.stages.prepare import STAGES as PREPARED
from training.core.store_order import store_order

STEPS = 60
WAIT_S = 120.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that prepare and an uninterrupted pretraining ran in."""
    home = tmp_path_factory.mktemp("home")
    for folder in (make_job(home, "prepare"), make_job(home, "pretrain", changes={"checkpoints": 1})):
        assert run(folder) == 0, log_of(folder)
    return home


@pytest.fixture(scope="module")
def pretrained(home: Path) -> Path:
    return home / "checkpoints" / "t-pretrain"


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert process.poll() is None, "the job ended before it was expected to"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def failure(folder: Path) -> Event:
    assert run_here(folder) == 1
    (event,) = events(folder, "failed")
    assert not events(folder, "done")
    return event


# What is published


def test_prepare_publishes_a_tokenizer_and_four_stores_of_its_ids(home: Path) -> None:
    tokenizer = TextTokenizer.open(home / "tokenizers" / "t")
    assert [event["stage"] for event in events(home / "jobs" / "prepare", "store")] == list(PREPARED)
    for stage in PREPARED:
        with TokenStore.open(home / "stores" / f"t-{stage}", tokenizer=tokenizer.digest) as store:
            assert store.manifest.stage == stage
            generator = store.manifest.generator
            assert generator["seed"] == 0
            assert sum(generator["counts"].values()) == store.documents
            assert {"id", "corpus", "stage", "source", "url", "title", "licence", "date"} <= set(
                store.metadata(0)
            )


def test_the_loss_of_sft_is_taken_on_the_assistant_alone(home: Path) -> None:
    tokenizer = TextTokenizer.open(home / "tokenizers" / "t")
    with TokenStore.open(home / "stores" / "t-think-sft") as store:
        for document in range(store.documents):
            metadata, ids = store.metadata(document), store.token_ids(document)
            spoken = [[start, end] for role, start, end in metadata["roles"] if role == "assistant"]
            assert metadata["loss"]
            assert all(span in spoken for span in metadata["loss"])
            start, end = metadata["loss"][-1]
            text = tokenizer.decode(ids[start:end])[0]
            assert text.startswith("<think>")
            assert text.endswith("<|im_end|>")


def test_what_instruct_is_taught_of_the_library_stands_in_a_pretraining_docstring(home: Path) -> None:
    tokenizer = Tokenizer.from_file(str(home / "tokenizers" / "t" / "tokenizer.json"))
    reader = TextTokenizer.open(home / "tokenizers" / "t")
    with TokenStore.open(home / "stores" / "t-instruct-sft") as taught:
        answers = library_answers(taught, tokenizer)
    assert len(answers) == 8
    with TokenStore.open(home / "stores" / "t-pretrain") as read:
        for name, answer in answers.items():
            texts = [
                reader.decode(read.token_ids(document))[0]
                for document in range(read.documents)
                if read.metadata(document)["title"] == name
            ]
            assert any(answer in text for text in texts), name


def test_a_checkpoint_opens_in_transformers_with_the_same_log_probabilities(
    home: Path, pretrained: Path
) -> None:
    """Against the weights in the file, loaded by hand into the class that the configuration names."""
    tokenizer = AutoTokenizer.from_pretrained(pretrained)
    served = AutoModelForCausalLM.from_pretrained(pretrained, dtype=torch.float32)
    assert type(served).__name__ == "Olmo3ForCausalLM"
    ours = type(served)(served.config)
    ours.load_state_dict(load_file(pretrained / "model.safetensors"))
    ids = torch.tensor([tokenizer.encode("os.path.join(a, *p)\n\nJoin two or more")])
    with torch.no_grad():
        theirs, expected = (m.eval()(ids).logits.log_softmax(-1) for m in (served, ours))
    torch.testing.assert_close(theirs, expected, atol=1e-6, rtol=1e-6)
    assert served.generation_config.eos_token_id == [
        tokenizer.convert_tokens_to_ids(token) for token in ("<|endoftext|>", "<|im_end|>")
    ]


def test_a_checkpoints_manifest_says_how_it_was_made(home: Path, pretrained: Path) -> None:
    manifest = read_checkpoint(pretrained)
    with TokenStore.open(home / "stores" / "t-pretrain") as store:
        assert [(read.name, read.digest) for read in manifest.stores] == [
            ("t-pretrain", store.manifest.digest)
        ]
    assert manifest.digest == file_digest(pretrained / "model.safetensors")
    assert manifest.tokenizer == TextTokenizer.open(pretrained).digest
    assert (manifest.stage, manifest.step, manifest.steps) == ("pretrain", STEPS, STEPS)
    assert (manifest.chat, manifest.thinking, manifest.parents) == ("plain", False, ())
    assert manifest.config == json.loads((home / "jobs/pretrain/config.json").read_text())["recipe"]
    middle = read_checkpoint(home / "checkpoints" / f"t-pretrain-step{STEPS // 2}")
    assert (middle.step, middle.steps) == (STEPS // 2, STEPS)
    assert middle.digest != manifest.digest


def test_the_manifest_alone_gives_the_order_that_was_trained_in(home: Path, pretrained: Path) -> None:
    manifest, recipe = read_checkpoint(pretrained), read_job(home / "jobs" / "pretrain").recipe
    assert isinstance(recipe, TrainRecipe)
    rebuilt = build(PretrainRecipe, manifest.config, "manifest")
    with TokenStore.open(home / "stores" / manifest.stores[0].name) as store:
        used, told = store_order(store, recipe), store_order(store, rebuilt)
        assert manifest.stores[0].seed == rebuilt.seed
        assert all(used.documents_at(step) == told.documents_at(step) for step in range(manifest.steps))


def test_a_later_stage_starts_from_its_parent_and_names_it(home: Path, pretrained: Path) -> None:
    folder = make_job(
        home, "midtrain", parent=pretrained, changes={"learning_rate": 0.0, "weight_decay": 0.0}
    )
    assert run_here(folder) == 0
    child = home / "checkpoints" / "t-midtrain"
    assert read_checkpoint(child).parents == ("t-pretrain",)
    before, after = (load_file(path / "model.safetensors") for path in (pretrained, child))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_events_tell_progress_metrics_and_the_end(home: Path) -> None:
    folder = home / "jobs" / "pretrain"
    steps = [event["step"] for event in events(folder, "metric")]
    assert steps == list(range(10, STEPS + 1, 10))
    metric = events(folder, "metric")[0]
    assert {"loss", "learning_rate", "tokens_per_s", "gradient_norm", "tokens"} <= set(metric)
    assert metric["tokens"] == 10 * 128
    finals = [(event["name"], event["final"]) for event in events(folder, "checkpoint")]
    assert finals == [("t-pretrain-step30", False), ("t-pretrain", True)]
    (done,) = events(folder, "done")
    assert done["cpu_s"] > 0
    progress = events(folder, "progress")
    assert progress[-1]["done"] == progress[-1]["total"] == STEPS
    assert {event["unit"] for event in progress} == {"steps"}


def test_training_learns(home: Path) -> None:
    curve = losses(home / "jobs" / "pretrain")
    assert curve[STEPS] < 0.9 * curve[10]


# Going on


@pytest.mark.timeout(600)
def test_a_killed_stage_goes_on_with_the_losses_of_an_uninterrupted_one(home: Path, pretrained: Path) -> None:
    """Killed with -9 after its first saved state and once more, it publishes the very same weights."""
    slow = {"tokens": 400 * 128, "checkpoints": 1, "save_s": 0.5}
    whole = make_job(home, "pretrain", folder="whole", name="whole", changes={**slow, "store": "t-pretrain"})
    give_tokenizer(home, "whole")
    killed = make_job(
        home, "pretrain", folder="killed", name="killed", changes={**slow, "store": "t-pretrain"}
    )
    give_tokenizer(home, "killed")
    kill_after_a_save(killed)
    kill_after_a_save(killed)
    assert run(killed) == 0, log_of(killed)
    assert run_here(whole) == 0
    assert [event["text"] for event in events(killed, "log") if "going on after step" in event["text"]]
    assert losses(killed) == losses(whole)
    for name in ("pretrain-step200", "pretrain"):
        digests = [
            read_checkpoint(home / "checkpoints" / f"{flow}-{name}").digest for flow in ("whole", "killed")
        ]
        assert digests[0] == digests[1]
    assert not (killed / "state.pt").exists()


def give_tokenizer(home: Path, name: str) -> None:
    """Another flow on the same stores has the same tokenizer."""
    (home / "tokenizers" / name).symlink_to(home / "tokenizers" / "t")


def kill_after_a_save(folder: Path) -> None:
    state = folder / "state.pt"
    before = state.stat().st_mtime_ns if state.exists() else 0
    with start(folder) as process:
        wait_for(lambda: state.exists() and state.stat().st_mtime_ns > before, process)
        process.send_signal(signal.SIGKILL)
    assert not events(folder, "done")


def test_a_finished_stage_is_not_done_again(home: Path, pretrained: Path) -> None:
    folder, manifest = home / "jobs" / "pretrain", (pretrained / "manifest.json").read_bytes()
    lines = len(events(folder, "metric"))
    assert run_here(folder) == 0
    assert len(events(folder, "metric")) == lines
    assert (pretrained / "manifest.json").read_bytes() == manifest
    assert run_here(home / "jobs" / "prepare") == 0


def test_a_checkpoint_of_other_settings_is_never_replaced(home: Path, pretrained: Path) -> None:
    folder = make_job(home, "pretrain", folder="other", changes={"seed": 9})
    event = failure(folder)
    assert "is there already, with another" in event["error"]
    assert event["expected"]


def test_the_process_ends_when_its_parent_does(home: Path) -> None:
    folder = make_job(home, "pretrain", folder="orphan", name="orphan", changes={"tokens": 10**8})
    give_tokenizer(home, "orphan")
    (home / "stores" / "orphan-pretrain").symlink_to(home / "stores" / "t-pretrain")
    with start(folder) as process:
        wait_for(lambda: events(folder, "metric"), process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 3


# Failing


def test_a_missing_store_is_an_expected_failure(home: Path) -> None:
    event = failure(make_job(home, "pretrain", folder="no-store", changes={"store": "nowhere"}))
    assert event["expected"]
    assert "nowhere" in event["error"]


def test_a_damaged_store_is_an_expected_failure(home: Path) -> None:
    broken = home / "stores" / "broken"
    subprocess.run(["cp", "-r", str(home / "stores" / "t-pretrain"), str(broken)], check=True)
    os.truncate(broken / "tokenized.0", 100)
    event = failure(make_job(home, "pretrain", folder="damaged", changes={"store": "broken"}))
    assert event["expected"]
    assert "tokenized.0" in event["error"]


def test_a_missing_parent_is_an_expected_failure(home: Path) -> None:
    event = failure(make_job(home, "midtrain", folder="no-parent", name="t", parent=home / "nothing"))
    assert event["expected"]
    assert "nothing" in event["error"]


def test_a_loss_that_is_no_number_fails_the_job_and_keeps_its_checkpoints(home: Path) -> None:
    changes = {"learning_rate": 10.0, "clip": 1e6, "z_loss": 1.0, "checkpoints": 59, "tokens": 60 * 128}
    changes |= {
        "model": {**RECIPES["pretrain"]["model"], "embedding_std": 10.0},
        "weight_decay": 1.0,
        "beta2": 0.0,
    }
    folder = make_job(home, "pretrain", folder="nan", name="nan", changes={**changes, "store": "t-pretrain"})
    give_tokenizer(home, "nan")
    event = failure(folder)
    assert event["expected"]
    assert "lower learning_rate" in event["error"]
    assert all(Path(published["path"]).is_dir() for published in events(folder, "checkpoint"))


def test_a_full_disk_fails_the_job_with_the_reason_and_publishes_no_half_checkpoint(home: Path) -> None:
    folder = make_job(home, "pretrain", folder="full", name="full", changes={"store": "t-pretrain"})
    give_tokenizer(home, "full")
    with start(folder, file_bytes=60_000) as process:  # room for events, not for weights
        assert process.wait() == 1, log_of(folder)
    (event,) = events(folder, "failed")
    assert event["expected"]
    assert "large" in event["error"].lower()
    assert not list((home / "checkpoints").glob("*full*"))


def test_a_checkpoint_folder_that_cannot_be_made_is_an_expected_failure(home: Path, tmp_path: Path) -> None:
    for name in ("tokenizers", "stores"):
        (tmp_path / name).symlink_to(home / name)
    (tmp_path / "checkpoints").write_text("a file where a folder has to be")
    event = failure(make_job(tmp_path, "pretrain"))
    assert event["expected"]
    assert "checkpoints" in event["error"]


def test_a_bug_is_reported_with_its_traceback(home: Path) -> None:
    """Tokens that the model has no embedding for: not a failure that we foresee."""
    folder = make_job(home, "pretrain", folder="bug", name="bug", changes={"store": "bug"})
    give_tokenizer(home, "bug")
    write_store_beyond_the_vocabulary(home)
    event = failure(folder)
    assert not event["expected"]
    assert "IndexError" in event["traceback"]


def write_store_beyond_the_vocabulary(home: Path) -> None:
    from tracing.core.building.writer import StoreWriter

    digest = TextTokenizer.open(home / "tokenizers" / "t").digest
    described = {"tokenizer": digest, "dtype": "u16", "stage": "pretrain", "source": "", "licence": ""}
    with StoreWriter(home / "stores" / "bug", name="bug", **described) as writer:
        writer.add([60_000] * 500, {})
        writer.publish()


def test_a_directory_without_a_job_is_refused(tmp_path: Path) -> None:
    assert failure(tmp_path)["error"].startswith("no job at")


def test_misuse_says_how_to_use_it() -> None:
    command = [sys.executable, "-m", "training.core.run"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert "usage: python -m training.core.run JOB_DIR [NODE]" in process.stderr


def test_the_library_is_not_imported_to_be_read() -> None:
    """Reading modules must not run them: `antigravity` opens a browser."""
    before = set(sys.modules)
    list(Library(modules=["wsgiref", "turtle"]).docstrings())
    assert not {"wsgiref.simple_server", "turtle"} & (set(sys.modules) - before)
