"""`manage.py microanneal`: does a candidate data set help a checkpoint?"""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from tracing.core.errors import TracingError
from tracing.models import Store
from training.core.errors import TrainingError
from training.management.commands.trace import find_checkpoint
from training.microanneals import read_verdicts, start_microanneal
from training.models import JobState
from training.runner import run_job

NUMBERS = {
    "tokens": (int, "that each of the two runs trains on (default: one epoch of the candidate)"),
    "problems": (int, "held-out sums to ask (default 1,000, or all that there are)"),
    "samples": (int, "answers to each problem (default 4)"),
    "share": (float, "part of the sequences that are the candidate's (default 0.5)"),
    "learning-rate": (float, "peak, falling to zero (default: Olmo 3's)"),
    "seed": (int, "of the data order (default 0)"),
}
SETTINGS = {"problems": "held_out_problems", "share": "candidate_share"}


class Command(BaseCommand):
    help = (
        "Trains a checkpoint twice for a short while, from the same weights with the same seed and schedule "
        "and on equally many tokens: half on the candidate data set and half on web text, and on web text "
        "alone. Both then answer the same held-out problems; the difference is printed with its standard "
        "error, and kept in the job's verdict.json."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="the checkpoint to start from, by its name")
        parser.add_argument("--candidate", required=True, metavar="STORE", help="token store in question")
        parser.add_argument("--web", required=True, metavar="STORE", help="token store to compare with")
        parser.add_argument("--task", action="append", default=[], metavar="FILE",
                            help="a JSONL file of problems instead of sums; may be repeated")  # fmt: skip
        for name, (kind, help_text) in NUMBERS.items():
            parser.add_argument(f"--{name}", type=kind, help=help_text)
        parser.add_argument("--name", default="", help="prefix of the two checkpoints' names")
        parser.add_argument("--queue", action="store_true", help="leave it to a worker and return at once")
        parser.add_argument("--json", action="store_true", help="print JSON for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            job = start_microanneal(
                parent=find_checkpoint(options["model"]),
                candidate=find_store(options["candidate"]),
                web=find_store(options["web"]),
                settings=settings_of(options),
                name=options["name"],
                by=Actor.of_command("microanneal"),
            )
            if options["queue"]:
                self.stdout.write(f"Queued as {job}; its page is /jobs/{job.pk}/.")
                return
            run_job(job.pk)
            job.refresh_from_db()
            if job.state != JobState.SUCCEEDED:
                raise CommandError(f"{job} is {job.state}: {job.error}")
            verdicts = read_verdicts(job)
        except (TrainingError, TracingError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps({"job": job.pk, "verdicts": verdicts}, indent=1))
        else:
            self.stdout.write("\n".join(verdict["words"] for verdict in verdicts))


def settings_of(options: dict[str, Any]) -> dict[str, Any]:
    """Those that were given; without `--tokens` an epoch of the candidate."""
    given = {name.replace("-", "_"): options[name.replace("-", "_")] for name in NUMBERS}
    chosen = {SETTINGS.get(name, name): value for name, value in given.items() if value is not None}
    return {"tokens": 0, "tasks": options["task"], **chosen}


def find_store(name: str) -> Store:
    """Raises CommandError."""
    store = Store.objects.filter(name=name).first()
    if store is None:
        known = ", ".join(Store.objects.order_by("name").values_list("name", flat=True)[:20])
        raise CommandError(f"There is no store {name!r}; there are: {known or 'none'}.")
    return store
