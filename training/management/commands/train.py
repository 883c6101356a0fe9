"""`manage.py train RECIPE`: start a flow, or go on with it, and follow it in the terminal."""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from accounts.audit import Actor, record_act
from training.attempt import stopping
from training.core.errors import TrainingError
from training.models import Flow, JobState
from training.overview import FlowOverview, flow_overview
from training.runner import run_job, stop_all
from training.services import start_flow
from training.terminal import flow_line, flow_table

HALTED = (JobState.FAILED, JobState.PAUSED, JobState.CANCELLED)
LOOK_EVERY_S = 1.0
TELL_EVERY_S = 15.0
NO_WORKER = (
    "Queued: if this lasts, no worker takes jobs. Start one (manage.py doctor says how), or use --here."
)


class Command(BaseCommand):
    help = (
        "Starts a flow by its recipe (a name in training/recipes/ or the path of a TOML file), and follows "
        "it. A flow of that name that was begun before goes on where it stopped, failed and paused stages "
        "too; a finished one is only shown. Workers do the training: Ctrl-C here leaves them at it. With "
        "--here this process does it itself, with neither Redis nor a worker; Ctrl-C then stops at a saved "
        "state."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("recipe", help="demo, test, ... or the path of a .toml file")
        parser.add_argument(
            "--name", help="the flow's name, its checkpoints' prefix; by default the recipe's"
        )
        parser.add_argument("--here", action="store_true", help="train in this process, without workers")
        parser.add_argument("--detach", action="store_true", help="start it and return at once")

    def handle(self, *args: Any, recipe: str, name: str | None, **options: Any) -> None:
        try:
            flow = started(name, recipe)
        except TrainingError as error:
            raise CommandError(str(error)) from error
        if options["detach"]:
            self.stdout.write(flow_line(flow_overview(flow)))
            return
        with training_here(flow) if options["here"] else nullcontext():
            self.watch(flow)

    def watch(self, flow: Flow) -> None:
        try:
            report_end(self.follow(flow))
        except KeyboardInterrupt:
            self.stderr.write(f"\nLeft {flow}. Run the same command to go on, or to watch it again.")

    def follow(self, flow: Flow) -> FlowOverview:
        """Shows the flow until it is done or has failed; in lines where the output is no terminal."""
        return follow_live(flow) if sys.stdout.isatty() else self.follow_in_lines(flow)

    def follow_in_lines(self, flow: Flow) -> FlowOverview:
        told, told_at = ("", ""), 0.0
        while True:
            overview = flow_overview(flow)
            current = overview.current
            now = (current.job.stage, current.state) if current else ("", "")
            if now != told or time.monotonic() - told_at > TELL_EVERY_S:
                self.stdout.write(flow_line(overview))
                told, told_at = now, time.monotonic()
            if overview.finished or overview.stopped:
                return overview
            time.sleep(LOOK_EVERY_S)


@transaction.atomic
def started(name: str | None, recipe: str) -> Flow:
    """The flow, begun or going on, and that somebody asked for it."""
    flow = start_flow(name=name, recipe=recipe)
    by = Actor.of_command("train")
    record_act(by=by, action="start flow", object_type="flow", object_id=flow.pk, label=flow.name)
    return flow


def follow_live(flow: Flow) -> FlowOverview:
    with Live(console=Console(), auto_refresh=False) as live:
        while True:
            overview = flow_overview(flow)
            hint = Text(NO_WORKER, "yellow") if is_waiting_for_worker(overview) else Text("")
            live.update(Group(flow_table(overview), Text(flow_line(overview)), hint), refresh=True)
            if overview.finished or overview.stopped:
                return overview
            time.sleep(LOOK_EVERY_S)


def is_waiting_for_worker(overview: FlowOverview) -> bool:
    return overview.current is not None and overview.current.state == JobState.QUEUED


@contextmanager
def training_here(flow: Flow) -> Iterator[None]:
    """Runs the flow's jobs in a thread of this process; stopped, at a saved state, when the block is left."""
    for name in ("training.jobs", "training.runner"):
        logging.getLogger(name).setLevel(logging.ERROR)  # no worker is missed, and the display tells the rest
    thread = threading.Thread(target=run_here, args=[flow], name="training")
    thread.start()
    try:
        yield
    finally:
        stop_all()
        thread.join()
        stopping.clear()


def run_here(flow: Flow) -> None:
    while not stopping.is_set() and (job := flow.jobs.filter(state=JobState.QUEUED).first()):
        run_job(job.pk)


def report_end(overview: FlowOverview) -> None:
    """Raises CommandError where the flow did not come to its end."""
    halted = next((stage.job for stage in overview.stages if stage.state in HALTED), None)
    if halted is None:
        return
    if halted.state == JobState.PAUSED:
        raise CommandError(f"{halted} is paused: run the same command to go on with it.")
    if halted.state == JobState.CANCELLED:
        raise CommandError(f"{halted} was cancelled: start the recipe under another --name.")
    raise CommandError(
        f"{halted} failed: {halted.error} Its log is {halted.directory / 'events.jsonl'}; "
        "run the same command to try again from the last saved state."
    )
