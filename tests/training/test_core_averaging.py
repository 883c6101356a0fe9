"""Runs that are averaged: the mean of the weights, every run on record, killed at any point and gone on."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.training.core_jobs import events, log_of, losses, make_job, run, run_here
from tracing.core.stores.store import TokenStore
from training.core.averaging import average_weights, load_average, mean_of
from training.core.bounds import build
from training.core.checkpoints import read_checkpoint
from training.core.errors import CheckpointError
from training.core.recipe import MidtrainRecipe
from training.core.store_order import store_order

RUNS = 3
STEPS = 40


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a pretrained checkpoint, and three runs of midtraining averaged."""
    home = tmp_path_factory.mktemp("home")
    assert run(make_job(home, "prepare")) == 0
    assert run_here(make_job(home, "pretrain")) == 0
    assert run_here(averaged_job(home)) == 0, log_of(home / "jobs" / "midtrain")
    return home


def averaged_job(home: Path, name: str = "t", folder: str = "midtrain") -> Path:
    changes = {"runs": RUNS, "seed": 5, "store": "t-midtrain", "checkpoints": 1, "save_s": 0.0}
    parent = home / "checkpoints" / "t-pretrain"
    return make_job(home, "midtrain", folder=folder, name=name, parent=parent, changes=changes)


@given(st.lists(st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
def test_a_mean_is_that_of_float64_to_fp32_s_rounding(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    folder = tmp_path_factory.mktemp("weights")
    files = [folder / f"{number}.safetensors" for number in range(len(rows))]
    for file, row in zip(files, rows, strict=True):
        save_file({"x": torch.tensor(row)}, file)
    expected = torch.tensor(rows, dtype=torch.float64).mean(0)
    torch.testing.assert_close(mean_of("x", files).double(), expected, atol=1e-3, rtol=1e-6)


def test_many_bf16_weights_are_summed_in_fp32(tmp_path: Path) -> None:
    """In bf16 256 + 1 is 256: sixteen small ones after a large one would be lost."""
    files = [tmp_path / f"{number}.safetensors" for number in range(17)]
    for number, file in enumerate(files):
        save_file({"x": torch.tensor([1.0 if number else 256.0], dtype=torch.bfloat16)}, file)
    assert mean_of("x", files).item() == torch.tensor(272 / 17, dtype=torch.bfloat16).item()


def test_the_result_is_the_mean_of_the_runs_in_every_weight(home: Path) -> None:
    runs = [
        load_file(home / "checkpoints" / f"t-midtrain-run{n}" / "model.safetensors")
        for n in range(1, RUNS + 1)
    ]
    mean = load_file(home / "checkpoints" / "t-midtrain" / "model.safetensors")
    assert all(one.keys() == mean.keys() for one in runs)
    for name, weights in mean.items():
        expected = torch.stack([one[name].double() for one in runs]).mean(0)
        torch.testing.assert_close(weights.double(), expected, atol=1e-7, rtol=1e-6)
        assert not torch.equal(runs[0][name], runs[1][name]), f"{name} is the same in two runs"


def test_the_manifest_names_every_run_with_its_seed_and_digest(home: Path) -> None:
    whole = read_checkpoint(home / "checkpoints" / "t-midtrain")
    runs = [read_checkpoint(home / "checkpoints" / f"t-midtrain-run{n}") for n in range(1, RUNS + 1)]
    assert whole.parents == tuple(one.name for one in runs)
    assert [(one.name, one.digest, one.seed, one.step) for one in whole.averaged] == [
        (one.name, one.digest, 5 + number, STEPS) for number, one in enumerate(runs)
    ]
    assert whole.stores == ()
    assert not whole.part_of
    assert {one.part_of for one in runs} == {"t-midtrain"}
    assert {one.parents for one in runs} == {("t-pretrain",)}
    assert [[read.seed for read in one.stores] for one in runs] == [[5], [6], [7]]


def test_each_run_s_manifest_gives_the_order_that_it_was_trained_in(home: Path) -> None:
    orders = []
    with TokenStore.open(home / "stores" / "t-midtrain") as store:
        for number in range(1, RUNS + 1):
            manifest = read_checkpoint(home / "checkpoints" / f"t-midtrain-run{number}")
            order = store_order(store, build(MidtrainRecipe, manifest.config, "manifest"))
            orders.append([order.documents_at(step) for step in range(STEPS)])
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_metrics_and_progress_are_those_of_one_long_stage(home: Path) -> None:
    folder = home / "jobs" / "midtrain"
    assert sorted(losses(folder)) == list(range(10, RUNS * STEPS + 1, 10))
    told = [event["tokens"] for event in events(folder, "metric")]
    assert told == [128 * step for step in range(10, RUNS * STEPS + 1, 10)]
    assert {event["total"] for event in events(folder, "progress")} == {RUNS * STEPS}
    finals = [event["name"] for event in events(folder, "checkpoint") if event["final"]]
    assert finals == ["t-midtrain"]


def test_a_stage_that_failed_anywhere_goes_on_to_the_same_weights(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails at every fortieth write of a state; each attempt goes on from the last."""
    (home / "tokenizers" / "u").symlink_to(home / "tokenizers" / "t")
    folder = averaged_job(home, name="u", folder="again")
    failing = Failing(every=40)
    monkeypatch.setattr("torch.save", failing.of(torch.save))
    attempts = 1
    while run_here(folder):
        attempts += 1
        assert attempts < 30, log_of(folder)
    assert attempts > 2
    ours, theirs = (read_checkpoint(home / "checkpoints" / f"{name}-midtrain") for name in ("u", "t"))
    assert ours.digest == theirs.digest
    assert losses(folder) == losses(home / "jobs" / "midtrain")
    assert not list(folder.rglob("state.pt*"))


class Failing:
    """A disk that refuses every so many writes."""

    def __init__(self, every: int) -> None:
        self.calls, self.every = 0, every

    def of(self, write):
        def wrapped(*args, **kwargs):
            self.calls += 1
            if self.calls % self.every == 0:
                raise OSError(28, "No space left on device")
            return write(*args, **kwargs)

        return wrapped


def test_a_finished_stage_is_not_done_again(home: Path) -> None:
    folder = home / "jobs" / "midtrain"
    lines = len(events(folder, "metric"))
    assert run_here(folder) == 0
    assert len(events(folder, "metric")) == lines


def test_checkpoints_of_other_shapes_or_names_are_not_averaged(home: Path, tmp_path: Path) -> None:
    good = home / "checkpoints" / "t-pretrain"
    weights = load_file(good / "model.safetensors")
    for name, changed in {
        "short": {**weights, "model.norm.weight": torch.zeros(3)},
        "named": {**weights, "other": torch.zeros(3)},
    }.items():
        (tmp_path / name).mkdir()
        save_file(changed, tmp_path / name / "model.safetensors")
    with pytest.raises(CheckpointError, match="has shape"):
        average_weights([good, tmp_path / "short"])
    with pytest.raises(CheckpointError, match="different names"):
        average_weights([good, tmp_path / "named"])
    with pytest.raises(CheckpointError, match=r"no \*\.safetensors"):
        average_weights([tmp_path])
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "model.safetensors").write_bytes(b"12")
    with pytest.raises(CheckpointError, match="cannot be read"):
        average_weights([tmp_path / "torn"])


def test_tied_weights_are_averaged_once(home: Path) -> None:
    job = make_job(
        home,
        "pretrain",
        folder="tied",
        name="tied",
        changes={"store": "t-pretrain", "tokens": 128, "model": {"tied": True} | model_settings(home)},
    )
    (home / "tokenizers" / "tied").symlink_to(home / "tokenizers" / "t")
    assert run_here(job) == 0
    folder = home / "checkpoints" / "tied-pretrain"
    model = load_average([folder, folder])
    assert torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)
    embeddings = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]
    torch.testing.assert_close(model.lm_head.weight.detach(), embeddings)


def model_settings(home: Path) -> dict:
    config = json.loads((home / "jobs" / "pretrain" / "config.json").read_text())
    return {key: value for key, value in config["recipe"]["model"].items() if key != "tied"}
