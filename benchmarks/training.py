"""Tokens a second of our pretraining and SFT steps beside a plain PyTorch loop and TRL's SFTTrainer, on the
demo's model and data; or, with --gpu, of a 7B-shaped Olmo 3 step on one GPU.

The sides take turns, each time in a process of its own; a side's figure is the median of its turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, measuring
from benchmarks.measuring import Row
from training.core.flow import job_config
from training.core.recipe_files import load_flow

ROOT = Path(__file__).resolve().parent.parent
SIDES = ("ours", "plain", "trl")
NAMES = {"ours": "Headwater", "plain": "plain PyTorch loop", "trl": "TRL SFTTrainer"}
STAGES = {"pretrain": "pretraining", "think-sft": "SFT"}
TARGETS = "at least 1.0 times the plain loop and 1.2 times TRL"


def measure(options: argparse.Namespace, home: Path) -> list[Row]:
    """A row for each stage and side."""
    rows = []
    for stage in STAGES:
        turns: dict[str, list[Row]] = {side: [] for side in SIDES}
        for _ in range(options.turns):
            for side in SIDES:
                turns[side].append(turn(home, side, stage, options))
        rows += rows_of(stage, turns)
    return rows


def turn(home: Path, side: str, stage: str, options: argparse.Namespace) -> Row:
    """One run of a side."""
    given = [str(home), side, stage, str(options.steps), str(options.threads)]
    command = [sys.executable, "-m", "benchmarks.training_child", *given]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    result: Row = json.loads(done.stdout.splitlines()[-1])
    return result


def rows_of(stage: str, turns: dict[str, list[Row]]) -> list[Row]:
    speeds = {side: statistics.median(turn["tokens_per_s"] for turn in told) for side, told in turns.items()}
    return [
        {
            "stage": STAGES[stage],
            "side": NAMES[side],
            "tokens/s": round(speeds[side]),
            "lowest": round(min(turn["tokens_per_s"] for turn in turns[side])),
            "highest": round(max(turn["tokens_per_s"] for turn in turns[side])),
            "ours, times": round(speeds["ours"] / speeds[side], 2),
            "memory, MiB": round(max(turn["memory_bytes"] for turn in turns[side]) / 2**20),
        }
        for side in SIDES
    ]


def prepare(home: Path, lessons: int) -> None:
    """The demo's tokenizer and stores, smaller, by the stage that makes them."""
    flow = load_flow("demo").prepare
    assert flow is not None
    recipe = replace(flow, lessons=lessons, exercises=lessons // 8)
    folder = home / "jobs" / "prepare"
    folder.mkdir(parents=True)
    config = job_config("prepare", "bench", home, None, recipe, 1)
    (folder / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "training.core.run", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as process:  # it ends when that closes
        if process.wait():
            raise SystemExit(f"preparing ended with {process.returncode}; see {folder}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=200, help="timed steps of a turn")
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--lessons", type=int, default=3000)
    options.add_argument("--gpu", action="store_true", help="a 7B-shaped step on this machine's GPU instead")
    options.add_argument("--shape", choices=["7b", "tiny"], default="7b", help="of --gpu")
    options.add_argument("--results", type=Path, default=machine.RESULTS)
    options.add_argument("--directory", help="where the stores are made; removed afterwards by default")
    chosen, load = options.parse_args(), measuring.load()
    if chosen.gpu:
        from benchmarks.training_gpu import measure_gpu

        rows, title, name = measure_gpu(chosen), "A 7B-shaped training step on one GPU", "training-gpu"
        notes = ["OLMo-core reports 7,700 tokens/s per H100 for Olmo 3 7B's pretraining at 8,192 tokens."]
    else:
        with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
            prepare(Path(folder), chosen.lessons)
            rows = measure(chosen, Path(folder))
        title, name = "Training steps side by side", "training"
        notes = [
            f"{chosen.turns} turns of {chosen.steps} steps, {chosen.threads} threads; target: {TARGETS}."
        ]
    keep(chosen, name, title, notes, rows, load)


def keep(
    options: argparse.Namespace, name: str, title: str, notes: list[str], rows: list[Row], load: float
) -> None:
    place = f"{machine.describe()}; load average {load} before."
    figures = json.dumps({"machine": place, "notes": notes, "rows": rows}, indent=1)
    lines = [f"# {title}", place, *(f"\n{note}" for note in notes), "", *measuring.table(rows)]
    text = "\n".join([*lines, "", "```json", figures, "```", ""])
    print(text)
    print(f"Kept in {machine.keep(name, text, options.results)}.")


if __name__ == "__main__":
    main()
