"""A whole flow in the terminal: `python -m training.core.flow RECIPE HOME [--threads N]`.

Runs the stages one after the other, each as the process that a worker would start, and shows where they are.
Run again after any death, it goes on with the stage that was under way.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from training.core.errors import TrainingError
from training.core.recipe_files import StageRecipe, flow_stages, load_flow, recipe_table, start_of

POLL_S = 0.2
ROOT = Path(__file__).parents[2]
Event = dict[str, Any]


def run_flow(
    recipe: str | Path, home: Path, *, threads: int | None = None, console: Console | None = None
) -> Path:
    """Run every stage of the flow into `home`; returns the last stage's final checkpoint. Raises
    TrainingError where a stage fails."""
    flow = load_flow(recipe)
    finals: dict[str, str | None] = {}
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:14}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console or Console()) as progress:
        for stage, settings in flow_stages(flow):
            parent = finals.get(start_of(stage, finals) or "")
            config = job_config(stage, flow.name, home, parent, settings, threads or os.cpu_count() or 1)
            finals[stage] = run_stage(config, home / "jobs" / f"{flow.name}-{stage}", progress)
    return Path(next((path for path in reversed(finals.values()) if path), home))


def job_config(
    stage: str, name: str, home: Path, parent: str | None, recipe: StageRecipe, threads: int
) -> dict[str, Any]:
    """What goes into the job's config.json."""
    shared = {"stage": stage, "name": name, "home": str(home), "parent": parent}
    return {**shared, "recipe": recipe_table(recipe), "threads": threads}


def run_stage(config: dict[str, Any], folder: Path, progress: Progress) -> str | None:
    """Run one job to its end and show its events; the path of its final checkpoint, if it publishes any."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    bar = progress.add_task(config["stage"], total=None, note="")
    final = None
    for event in follow(folder):
        show(event, bar, progress)
        if event["type"] == "checkpoint" and event["final"]:
            final = event["path"]
        if event["type"] == "failed":
            raise TrainingError(f"{config['stage']}: {event['error']}")
    return final


def follow(folder: Path) -> Iterator[Event]:
    """Start the job's process and yield its events as they come. Raises TrainingError where it dies without a
    word."""
    path = folder / "events.jsonl"
    offset = path.stat().st_size if path.exists() else 0
    command = [sys.executable, "-m", "training.core.run", str(folder)]
    with (folder / "output.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=ROOT)
    ended = False
    try:
        while True:
            gone = process.poll() is not None
            for event in new_events(path, offset):
                offset = event.pop("offset")
                ended = ended or event["type"] in ("done", "failed")
                yield event
            if gone:
                break
            time.sleep(POLL_S)
    finally:
        process.kill()
        process.wait()
    if not ended:
        raise TrainingError(
            f"the process ended with status {process.returncode}; see {folder / 'output.log'}"
        )


def new_events(path: Path, offset: int) -> Iterator[Event]:
    """Events after `offset`, each with the `offset` behind it; a line without its newline is left for
    later."""
    if path.exists():
        with path.open("rb") as file:
            file.seek(offset)
            for line in file:
                offset += len(line)
                if line.endswith(b"\n") and line.strip().startswith(b"{") and line.strip().endswith(b"}"):
                    yield {**json.loads(line), "offset": offset}


def show(event: Event, bar: TaskID, progress: Progress) -> None:
    match event:
        case {"type": "progress", "phase": phase, "done": done, "total": total, "eta_s": eta_s}:
            left = "" if eta_s is None else f", {eta_s:.0f} s left"
            progress.update(bar, completed=done, total=total, note=f"{phase}{left}")
        case {"type": "checkpoint", "name": name, "scores": scores}:
            said = ", ".join(f"{key} {value:.3g}" for key, value in scores.items())
            progress.console.print(f"  {name}: {said or 'published'}")
        case {"type": "log", "text": text}:
            progress.console.print(f"  {text}")
        case {"type": "done", "cpu_s": cpu_s, "wall_s": wall_s}:
            progress.update(bar, total=1, completed=1, note=f"{wall_s:.0f} s, {cpu_s:.0f} s of CPU")


def main() -> int:
    parser = argparse.ArgumentParser(description="Train a whole flow, from corpus to instruct model.")
    parser.add_argument("recipe", help="a name in training/recipes or the path of a .toml file")
    parser.add_argument("home", type=Path, help="data directory that everything is written to")
    parser.add_argument("--threads", type=int, default=None, help="threads to compute with (default: all)")
    arguments = parser.parse_args()
    try:
        run_flow(arguments.recipe, arguments.home.resolve(), threads=arguments.threads)
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
