"""Jobs for the tests of training/core: their recipes, their directories, their real processes."""

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.core.bounds import build
from training.core.events import Events
from training.core.flow import job_config
from training.core.recipe_files import STAGES
from training.core.run import run_job

ROOT = Path(__file__).parents[2]
Event = dict[str, Any]
MODULES = ["posixpath", "genericpath", "textwrap", "heapq", "json", "random"]
PREPARE = {
    "vocabulary_size": 512,
    "modules": MODULES,
    "longest_source": 300,
    "lessons": 150,
    "exercises": 60,
    "think_examples": 60,
    "library_questions": 8,
    "planned_s": 1,
}
MODEL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "layers": 4,
    "heads": 2,
    "kv_heads": 1,
    "sliding_window": 16,
    "context": 256,
    "embedding_std": 1.0,
}
TRAIN = {"batch_size": 2, "warmup_steps": 2, "attention": "eager", "held_out_problems": 0, "checkpoints": 0}
RECIPES: dict[str, dict[str, Any]] = {
    "prepare": PREPARE,
    "pretrain": {**TRAIN, "sequence_length": 64, "tokens": 60 * 128, "learning_rate": 3e-3, "model": MODEL},
    "midtrain": {**TRAIN, "sequence_length": 64, "tokens": 40 * 128, "learning_rate": 1e-3},
    "think-sft": {**TRAIN, "sequence_length": 256, "tokens": 20 * 512, "learning_rate": 1e-3},
    "instruct-sft": {**TRAIN, "sequence_length": 256, "tokens": 20 * 512, "learning_rate": 1e-3},
}
"""Of the stages that most tests run. A test module adds those of other stages only if it alone runs them; it
hands the others to make_job as `changes`, since all modules of a test run share this dictionary."""


def make_job(
    home: Path,
    stage: str,
    *,
    folder: str = "",
    name: str = "t",
    parent: Path | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Path:
    """A job directory under `home` that is ready to run; `changes` are to the stage's recipe."""
    path = home / "jobs" / (folder or stage)
    path.mkdir(parents=True, exist_ok=True)
    recipe = build(STAGES[stage], {**RECIPES.get(stage, {}), **(changes or {})}, stage)
    config = job_config(stage, name, home, str(parent) if parent else None, recipe, 1)
    (path / "config.json").write_text(json.dumps(config))
    return path


def start(folder: Path, *node: str, file_bytes: int = resource.RLIM_INFINITY) -> subprocess.Popen[bytes]:
    """The job's real process, with a pipe as its standard input. No file that it writes may grow larger than
    `file_bytes`."""
    command = [sys.executable, "-m", "training.core.run", str(folder), *node]
    with (folder / "output.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes)),
        )


def run_here(folder: Path) -> int:
    """Run the job as its process does, but in this one, which has torch loaded already; the exit status."""
    with Events(folder) as written:
        return run_job(folder, written)


def run(folder: Path) -> int:
    """Run the job to its end; the exit status."""
    with start(folder) as process:
        return process.wait()


def events(folder: Path, kind: str) -> list[Event]:
    """The job's events of one kind so far. A line that a kill broke off is passed over."""
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    parsed = [json.loads(line) for line in lines if line.endswith("}")]
    return [event for event in parsed if event["type"] == kind]


def losses(folder: Path) -> dict[int, float]:
    """Step -> loss, by the latest line of metrics for each step."""
    return {event["step"]: event["loss"] for event in events(folder, "metric")}


def log_of(folder: Path) -> str:
    return (folder / "output.log").read_text(errors="replace")
