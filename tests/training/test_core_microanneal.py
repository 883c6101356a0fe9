"""A microanneal's verdict is what the figures allow to be said, and its two runs differ in the data alone."""

import json
import random
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.core_jobs import RECIPES, TRAIN, events, log_of, make_job, run, run_here
from training.core.checkpoints import read_checkpoint
from training.core.verdict import compare

TOKENS = 40 * 128
RECIPES["microanneal"] = {
    **TRAIN,
    "sequence_length": 64,
    "tokens": TOKENS,
    "learning_rate": 1e-3,
    "candidate": "t-midtrain",
    "store": "t-pretrain",
    "held_out_problems": 6,
    "samples": 2,
}
REWARD = st.sampled_from([0.0, 1.0])
ROW = st.lists(REWARD, min_size=4, max_size=4)


@given(st.lists(st.tuples(ROW, ROW), min_size=2, max_size=20))
def test_the_difference_and_its_error_are_those_of_paired_problems(rows: Any) -> None:
    baseline, candidate = ([row[side] for row in rows] for side in (0, 1))
    verdict = compare("x", baseline, candidate)
    differences = [mean(after[1:]) - mean(before[1:]) for before, after in rows]
    assert verdict.difference == pytest.approx(mean(differences))
    assert verdict.error == pytest.approx(stdev(differences) / len(rows) ** 0.5, abs=1e-9)
    assert verdict.candidate - verdict.baseline == pytest.approx(verdict.difference)
    assert verdict.greedy_difference == pytest.approx(mean(after[0] - before[0] for before, after in rows))
    sure = abs(verdict.difference) > 2 * verdict.error
    assert (verdict.finding == "within noise") == (not sure or verdict.difference == 0)


def test_a_difference_in_noise_says_how_many_problems_would_settle_it() -> None:
    """Of 100 problems 8 are newly right and 5 newly wrong."""
    before = [[0.0, float(n < 50 + 5)] for n in range(100)]
    after = [[0.0, float(n < 50 or n >= 92)] for n in range(100)]
    verdict = compare("sums", before, after)
    assert verdict.finding == "within noise"
    assert "Within noise" in verdict.words
    assert verdict.problems_needed is not None
    assert verdict.problems_needed > 100


def test_the_same_data_twice_is_nearly_never_called_help_or_harm() -> None:
    """At two standard errors one in twenty is; of 400, no more than one in ten."""
    rng = random.Random(1)
    called = 0
    for _ in range(400):
        chances = [rng.random() for _ in range(200)]
        before, after = ([[0.0, float(rng.random() < p)] for p in chances] for _ in range(2))
        called += compare("x", before, after).finding != "within noise"
    assert called < 40


def test_clear_help_and_clear_harm_are_called_so() -> None:
    worse, better = (
        [[0.0, float(n % 4 == 0)] for n in range(200)],
        [[0.0, float(n % 4 > 0)] for n in range(200)],
    )
    assert compare("x", worse, better).finding == "helps"
    assert compare("x", better, worse).finding == "hurts"
    assert compare("x", worse, worse).finding == "within noise"
    assert compare("x", worse, worse).problems_needed is None


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    assert run(make_job(home, "prepare")) == 0
    assert run_here(make_job(home, "pretrain")) == 0
    folder = make_job(home, "microanneal", parent=home / "checkpoints" / "t-pretrain")
    assert run_here(folder) == 0, events(folder, "failed")
    return home


def test_both_runs_start_alike_and_differ_in_their_data_alone(home: Path) -> None:
    web, candidate = (
        read_checkpoint(home / "checkpoints" / f"t-microanneal-{arm}") for arm in ("web", "candidate")
    )
    assert web.parents == candidate.parents == ("t-pretrain",)
    assert web.config == candidate.config
    assert web.metrics["tokens"] == candidate.metrics["tokens"] == TOKENS
    assert [(read.name, read.share, read.seed) for read in web.stores] == [("t-pretrain", 1.0, 0)]
    assert [(read.name, read.share, read.seed) for read in candidate.stores] == [
        ("t-midtrain", 0.5, 0),
        ("t-pretrain", 0.5, 0),
    ]


def test_the_verdict_is_kept_told_and_written_in_words(home: Path) -> None:
    folder = home / "jobs" / "microanneal"
    kept = json.loads((folder / "verdict.json").read_text())["verdicts"]
    assert [one["task"] for one in kept] == ["sums as questions", "sums as lessons", "all problems"]
    assert [one["problems"] for one in kept] == [6, 6, 12]
    assert events(folder, "verdict")[0]["verdicts"] == kept
    words = [event["text"] for event in events(folder, "log")]
    assert all(one["words"] in words for one in kept)
    assert not [event for event in events(folder, "checkpoint") if event["final"]]


def test_asked_again_it_says_the_same_without_training(home: Path) -> None:
    folder = home / "jobs" / "microanneal"
    before, lines = (folder / "verdict.json").read_bytes(), len(events(folder, "metric"))
    assert run_here(folder) == 0
    assert (folder / "verdict.json").read_bytes() == before
    assert len(events(folder, "metric")) == lines


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidate": ""}, "needs a candidate"),
        ({"candidate": "nowhere"}, "nowhere"),
        ({"held_out_problems": 0}, "a verdict needs problems"),
        ({"tasks": ["/no/such.jsonl"]}, "cannot be read"),
    ],
)
def test_what_cannot_be_judged_is_refused(home: Path, changes: dict[str, Any], message: str) -> None:
    parent = home / "checkpoints" / "t-pretrain"
    name = f"r{len(message)}"
    (home / "tokenizers" / name).symlink_to(home / "tokenizers" / "t")
    folder = make_job(home, "microanneal", folder=name, name=name, parent=parent, changes=changes)
    assert run_here(folder) == 1, log_of(folder)
    (event,) = events(folder, "failed")
    assert message in event["error"]
    assert event["expected"]
