"""Events, the terminal's flow, and the number of threads."""

import io
import json
import time
from pathlib import Path

import pytest
import torch
from rich.console import Console

from tests.training.core_jobs import MODEL, RECIPES, events
from training.core.batches import Batch
from training.core.bounds import build
from training.core.errors import TrainingError
from training.core.events import Events
from training.core.flow import new_events, run_flow
from training.core.loss import next_token_loss
from training.core.model import autocast, new_model
from training.core.optim import new_optimizer
from training.core.recipe import ModelRecipe, TrainRecipe
from training.core.threads import free_threads

FLOW = """
name = "lost"
[pretrain]
tokens = 1000
[midtrain]
[think-sft]
[instruct-sft]
"""


def test_events_are_lines_of_json_with_their_time(tmp_path: Path) -> None:
    before = time.time()
    with Events(tmp_path) as written:
        written.log("two\nlines — «quoted»")
        written.write("metric", step=1, loss=0.5)
    lines = (tmp_path / "events.jsonl").read_text("utf-8").splitlines()
    parsed = [json.loads(line) for line in lines]
    assert [event["type"] for event in parsed] == ["log", "metric"]
    assert parsed[0]["text"] == "two\nlines — «quoted»"
    assert all(event["t"] >= before - 0.01 for event in parsed)


def test_a_line_that_a_kill_broke_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"t": 1, "type": "log", "text": "whole"}\n{"t": 2, "ty')
    with Events(tmp_path) as written:
        written.log("after")
    assert [event["text"] for event in events(tmp_path, "log")] == ["whole", "after"]
    assert [event["text"] for event in new_events(path, 0)] == ["whole", "after"]


def test_a_number_that_json_has_no_word_for_is_refused(tmp_path: Path) -> None:
    with Events(tmp_path) as written, pytest.raises(ValueError, match="JSON compliant"):
        written.write("metric", loss=float("nan"))
    assert not events(tmp_path, "metric")


def test_progress_goes_on_while_a_stage_is_silent(tmp_path: Path) -> None:
    with Events(tmp_path) as written:
        written.progress("evaluating", 3, 10, "steps", eta_s=60.0)
        deadline = time.monotonic() + 60
        while len(events(tmp_path, "progress")) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    told = events(tmp_path, "progress")
    assert {(event["phase"], event["done"], event["total"]) for event in told} == {("evaluating", 3, 10)}
    assert told[0]["eta_s"] > told[-1]["eta_s"]


def test_a_new_phase_is_told_at_once(tmp_path: Path) -> None:
    with Events(tmp_path) as written:
        for phase in ("library", "tokenizer", "pretrain"):
            written.progress(phase, 0, 3, "parts")
    assert [event["phase"] for event in events(tmp_path, "progress")] == ["library", "tokenizer", "pretrain"]


def test_a_flow_stops_at_the_stage_that_fails_and_says_why(tmp_path: Path) -> None:
    recipe = tmp_path / "lost.toml"
    recipe.write_text(FLOW)
    console = Console(file=io.StringIO())
    with pytest.raises(TrainingError, match=r"pretrain: .*tokenizers/lost"):
        run_flow(recipe, tmp_path, threads=1, console=console)
    assert not (tmp_path / "jobs" / "lost-midtrain").exists()


@pytest.mark.parametrize(
    ("elsewhere", "cores", "most", "threads"),
    [
        (0.0, 2, 2, 2),
        (0.3, 2, 2, 2),
        (0.5, 2, 2, 1),
        (2.0, 2, 2, 1),
        (0.0, 8, 4, 4),
        (5.0, 8, 8, 3),
        (9.0, 8, 8, 1),
    ],
)
def test_threads_follow_the_free_cores(elsewhere: float, cores: int, most: int, threads: int) -> None:
    assert free_threads(elsewhere, cores, most) == threads


def test_the_losses_do_not_depend_on_the_number_of_threads() -> None:
    """Which changes while a stage runs, so a resumed run could otherwise differ from an uninterrupted one."""
    before = torch.get_num_threads()
    runs = [run_steps(threads) for threads in ([1, 1, 1], [2, 2, 2], [1, 2, 1])]
    torch.set_num_threads(before)
    assert runs[0] == runs[1] == runs[2]


def run_steps(threads: list[int]) -> list[float]:
    """Losses of a few steps of the demo's width, each with its number of threads."""
    width = {"hidden_size": 192, "intermediate_size": 512, "heads": 3, "kv_heads": 3}
    recipe = build(ModelRecipe, {**MODEL, **width}, "model")
    model = new_model(recipe, vocabulary_size=1024, ids={"pad": 0, "end_of_text": 1, "turn_end": 3}, seed=0)
    model.set_attn_implementation("eager")
    optimizer = new_optimizer(model, build(TrainRecipe, {**RECIPES["midtrain"]}, "t"))
    generator = torch.Generator().manual_seed(0)
    losses = []
    for number in threads:
        torch.set_num_threads(number)
        ids = torch.randint(4, 1024, (2, 64), generator=generator)
        positions = (torch.arange(64) % 30)[None].expand(2, -1).contiguous()
        with autocast():
            objective, nll = next_token_loss(model, Batch(ids, ids.roll(-1, 1), positions), 1e-5)
        objective.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(nll.item())
    return losses
