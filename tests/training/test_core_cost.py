"""What training costs: over all attempts, and along the lineage without counting a run twice."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from training.core.checkpoints import CheckpointManifest, check_weights, weights_digest
from training.core.cost import Cost, CostBook, lineage_cost
from training.core.errors import CheckpointError


def publish(home: Path, name: str, parents: list[str], *, job: str, step: int = 10, **cost: float) -> None:
    folder = home / name
    folder.mkdir(parents=True)
    manifest = CheckpointManifest(
        name=name, digest="", parents=tuple(parents), stage="x", step=step, steps=30, job=job, config={},
        stores=(), tokenizer="", chat="plain", thinking=False, cost=cost,
    )  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest)))


def test_a_lineage_costs_each_run_once_at_its_furthest(tmp_path: Path) -> None:
    publish(tmp_path, "base-step10", [], job="1", step=10, cpu_s=100, tokens=1000)
    publish(tmp_path, "base", [], job="1", step=30, cpu_s=300, tokens=3000)
    publish(tmp_path, "one", ["base"], job="2", cpu_s=7)
    publish(tmp_path, "other", ["base-step10"], job="3", cpu_s=5)
    own = Cost(cpu_s=1, tokens=10)
    assert lineage_cost(own, ["one", "other"], tmp_path) == Cost(cpu_s=313, tokens=3010)


def test_an_average_of_runs_costs_what_its_job_did(tmp_path: Path) -> None:
    publish(tmp_path, "start", [], job="1", cpu_s=50)
    publish(tmp_path, "run1", ["start"], job="2", cpu_s=10, tokens=100)
    publish(tmp_path, "run2", ["start"], job="2", cpu_s=21, tokens=100)
    publish(tmp_path, "mean", ["run1", "run2"], job="2", cpu_s=23, tokens=200)
    assert lineage_cost(Cost(), ["mean"], tmp_path) == Cost(cpu_s=73, tokens=200)


def test_a_missing_ancestor_is_an_error_not_a_smaller_sum(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="gone"):
        lineage_cost(Cost(), ["gone"], tmp_path)


def test_a_later_attempt_goes_on_counting(tmp_path: Path) -> None:
    (tmp_path / "cost.json").write_text(json.dumps({"cpu_s": 1000, "wall_s": 50}))
    book = CostBook(tmp_path)
    book.save()
    again = CostBook(tmp_path).so_far(64)
    assert again.cpu_s >= 1000
    assert 50 <= again.wall_s < 1000
    assert again.tokens == 64
    assert again.gpu_s == 0


@pytest.mark.parametrize("written", ["", "{", "[1]", '{"cpu_s": "much"}'])
def test_a_broken_book_begins_at_nothing(tmp_path: Path, written: str) -> None:
    (tmp_path / "cost.json").write_text(written)
    assert CostBook(tmp_path).so_far(0).wall_s < 60


def test_shards_have_a_digest_together_and_a_swap_is_found(tmp_path: Path) -> None:
    publish(tmp_path, "c", [], job="1")
    folder = tmp_path / "c"
    with pytest.raises(CheckpointError, match="holds no weights"):
        weights_digest(folder)
    for number in (1, 2):
        (folder / f"model-{number}-of-2.safetensors").write_bytes(bytes([number]) * 100)
    whole = weights_digest(folder)
    manifest = CheckpointManifest(
        name="c", digest=whole, parents=(), stage="x", step=1, steps=1, job="", config={}, stores=(),
        tokenizer="", chat="plain", thinking=False,
    )  # fmt: skip
    check_weights(folder, manifest)
    (folder / "model-2-of-2.safetensors").write_bytes(b"\x02" * 99 + b"\x03")
    with pytest.raises(CheckpointError, match="not those that were published"):
        check_weights(folder, manifest)
