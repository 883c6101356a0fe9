"""`manage.py flow_report`: what every stage of a flow scored, from what start, and at what cost."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from training.by_length.scores import LengthScore
from training.flow_page import write_flow_page
from training.models import Flow
from training.report import SCORES, Row, flow_rows
from training.terminal import duration


class Command(BaseCommand):
    help = (
        "Prints the final checkpoint of each stage of a flow: its scores on the held-out problems, those of "
        "the checkpoint that it started from, and the CPU time. greedy and sampled (temperature 1) are "
        "accuracies, pairs is preference accuracy, mean_tokens the answers' length; what was not measured is "
        "null."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--flow", help="the flow's name; by default the newest")
        parser.add_argument("--json", action="store_true", help="print JSON for programs")
        parser.add_argument(
            "--docs", type=Path, metavar="DIR", help="write the table and the curve of rewards there"
        )
        parser.add_argument("--all", action="store_true", help="intermediate checkpoints too")

    def handle(self, *args: Any, **options: Any) -> None:
        flow = find_flow(options["flow"])
        if options["docs"]:
            written = write_flow_page(flow, options["docs"])
            self.stdout.write(f"Written: {', '.join(map(str, written))}")
            return
        rows = flow_rows(flow, intermediate=options["all"])
        if options["json"]:
            self.stdout.write(json.dumps({"checkpoints": [row.to_json() for row in rows]}, indent=1))
        else:
            console = Console(file=self.stdout)
            console.print(table_of(rows))
            if any(row.by_length for row in rows):
                console.print("", length_table(rows))


def find_flow(name: str | None) -> Flow:
    flows = Flow.objects.all() if name is None else Flow.objects.filter(name=name)
    flow = flows.first()
    if flow is None:
        known = (
            ", ".join(Flow.objects.values_list("name", flat=True))
            or "none yet; `manage.py train demo` starts one"
        )
        raise CommandError(
            f"No flow is called {name!r}. Known flows: {known}." if name else f"Flows: {known}."
        )
    return flow


def table_of(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("checkpoint", no_wrap=True)
    for heading in ("step", *SCORES, "CPU time"):
        table.add_column(heading)
    for row in rows:
        scores = [change(row.start.get(name), row.scores.get(name)) for name in SCORES]
        table.add_row(row.name, f"{row.step:,}", *scores, duration(row.cpu_s))
    return table


def change(before: float | None, after: float | None) -> str:
    """`0.56 -> 0.97`, or what there is of it."""
    if after is None:
        return "-"
    return f"{after:.3g}" if before is None else f"{before:.3g} -> {after:.3g}"


def length_table(rows: list[Row]) -> Table:
    """A line for each checkpoint and kind of score that was measured by length."""
    lengths = sorted({one.tokens for row in rows for one in row.by_length})
    table = Table(box=None, pad_edge=False)
    for heading in ("checkpoint", "by length", *(f"{tokens:,} tokens" for tokens in lengths)):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        for kind in dict.fromkeys(one.kind for one in row.by_length):
            found = {one.tokens: one for one in row.by_length if one.kind == kind}
            table.add_row(row.name, kind, *(length_cell(found.get(tokens)) for tokens in lengths))
    return table


def length_cell(score: LengthScore | None) -> str:
    return change(None, None) if score is None else change(score.before, score.after)
