"""`manage.py evaluate`: what checkpoints score on held-out tasks, and whether they have read them."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tracing.core.errors import TracingError
from training.core.errors import TrainingError
from training.evaluation_report import evaluation_table, row_of
from training.evaluations import (
    Examination,
    checkpoints_of,
    enqueue_evaluation,
    evaluate_checkpoint,
)
from training.evaluations import (
    Progress as Told,
)
from training.management.commands.flow_report import find_flow
from training.management.commands.trace import find_checkpoint
from training.models import Checkpoint, Evaluation
from training.terminal import duration

TELL_EVERY_S = 5.0
WIDTH = 200
NOT_FINISHED = "Stopped. What was finished is kept."


class Command(BaseCommand):
    help = (
        "Asks checkpoints the questions of a task, greedily and a few times at a temperature, checks the "
        "answers and keeps the scores with their standard errors; and says how many of the questions occur "
        "in the data that each checkpoint comes from. Tasks: arithmetic (held-out sums), library (what "
        "things of Python's library do), or a JSONL file with `prompt` or `messages`, `reference` and "
        "`verifier`."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("models", nargs="*", metavar="MODEL", help="checkpoints by their names")
        parser.add_argument("--flow", help="the final checkpoints of this flow")
        parser.add_argument("--all", action="store_true", help="with --flow: intermediate checkpoints too")
        parser.add_argument("--task", default="arithmetic", help="arithmetic, library or a JSONL file")
        parser.add_argument("--samples", type=int, default=1, metavar="K",
                            help="sampled answers an item, 0 for greedy alone (default 1)")  # fmt: skip
        parser.add_argument(
            "--temperature", type=float, default=1.0, help="of the sampled answers (default 1)"
        )
        parser.add_argument("--limit", type=int, metavar="N", help="only the first N items")
        parser.add_argument("--seed", type=int, default=1, help="draws the answers (default 1)")
        parser.add_argument("--queue", action="store_true", help="leave it to a worker and return at once")
        parser.add_argument("--json", action="store_true", help="print JSON for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            checkpoints, examination = chosen_checkpoints(options), examination_of(options)
            if options["queue"]:
                self.queue(checkpoints, examination)
                return
            done = self.evaluate(checkpoints, examination, quiet=options["json"])
        except KeyboardInterrupt:
            raise CommandError(NOT_FINISHED) from None
        except (TrainingError, TracingError, OSError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps({"evaluations": [row_of(row) for row in done]}, indent=1))
        else:
            Console(file=self.stdout, width=WIDTH).print(evaluation_table(done))

    def queue(self, checkpoints: list[Checkpoint], examination: Examination) -> None:
        for checkpoint in checkpoints:
            enqueue_evaluation(checkpoint, examination)
        self.stdout.write(f"Queued for {len(checkpoints)} checkpoints; /evaluations/ will show the scores.")

    def evaluate(
        self, checkpoints: list[Checkpoint], examination: Examination, *, quiet: bool
    ) -> list[Evaluation]:
        done = []
        for number, checkpoint in enumerate(checkpoints, 1):
            title = f"{checkpoint.name} ({number} of {len(checkpoints)})"
            with self.progress(title, quiet=quiet) as told:
                done.append(evaluate_checkpoint(checkpoint, examination, told))
        return done

    @contextmanager
    def progress(self, title: str, *, quiet: bool) -> Iterator[Told]:
        """A bar with the time left where the errors go to a terminal, lines elsewhere; nothing if `quiet`."""
        if quiet:
            yield lambda phase, done, total: None
        elif not sys.stderr.isatty():
            yield Lines(self, title)
        else:
            columns = [
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            ]
            with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task(title, total=None)
                yield lambda phase, done, total: bar.update(
                    task, description=f"{title}: {phase}", completed=done, total=total
                )


class Lines:
    """Progress as a line every few seconds, and at each end of a phase."""

    def __init__(self, command: BaseCommand, title: str) -> None:
        self._command, self._title = command, title
        self._phase, self._began, self._told = "", 0.0, 0.0

    def __call__(self, phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._began = phase, now
        elif done < total and now - self._told < TELL_EVERY_S:
            return
        self._told = now
        left = f", {duration((now - self._began) * (total - done) / done)} left" if 0 < done < total else ""
        self._command.stderr.write(f"{self._title}: {phase} {done:,}/{total:,}{left}", ending="\n")


def chosen_checkpoints(options: dict[str, Any]) -> list[Checkpoint]:
    """Those named, or those of the flow. Raises CommandError."""
    if bool(options["models"]) == bool(options["flow"]):
        raise CommandError("Name checkpoints, or a flow with --flow.")
    if options["models"]:
        return [find_checkpoint(name) for name in options["models"]]
    found = checkpoints_of(find_flow(options["flow"]), intermediate=options["all"])
    if not found:
        raise CommandError(f"The flow {options['flow']} has no checkpoints yet.")
    return found


def examination_of(options: dict[str, Any]) -> Examination:
    """Raises TaskError. A file's path is written out, for a worker that stands elsewhere."""
    task = options["task"]
    names = ("samples", "temperature", "seed", "limit")
    whole = str(Path(task).resolve()) if Path(task).is_file() else task
    return Examination(whole, **{name: options[name] for name in names})
