"""`manage.py doctor`: the settings in force, and whether each part that Headwater needs is there."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from training.diagnosis import Finding, diagnose, settings_table


class Command(BaseCommand):
    help = (
        "Prints every setting with its value, then checks the parts (data directory, database, Redis, "
        "workers, engine) and says what to do about those that are missing. Exits with 1 where a required "
        "one is."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(file=self.stdout, highlight=False)
        console.print(table_of_settings())
        findings = list(diagnose())
        for finding in findings:
            print_finding(console, finding)
        missing = [finding.name for finding in findings if finding.advice and finding.required]
        if missing:
            raise CommandError(f"Not ready: {', '.join(missing)}.", returncode=1)


def table_of_settings() -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Setting", no_wrap=True)  # to be found, and copied, whole
    for heading in ("Value", "What it does"):
        table.add_column(heading, overflow="fold")
    for name, value, help_text in settings_table():
        table.add_row(name, escape(value), help_text)
    return table


def print_finding(console: Console, finding: Finding) -> None:
    mark, style = ("missing", "red") if finding.required else ("note", "yellow")
    if not finding.advice:
        mark, style = "ok", "green"
    line = Text.assemble((f"{mark:>8}", style), f"  {finding.name}: {finding.found}")
    console.print(line, soft_wrap=True)
    if finding.advice:
        console.print(Text(f"{'':10}{finding.advice}"), soft_wrap=True)
