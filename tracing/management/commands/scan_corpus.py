"""`manage.py scan_corpus NAME`: withhold the documents of a store that hold personal data."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from tracing.core.documents.personal_data import KINDS
from tracing.core.errors import TracingError
from tracing.models import Store, Sweep
from tracing.withholding.models import SweepState
from tracing.withholding.scans import scan_now

EVERY_S = 2.0


class Command(BaseCommand):
    help = (
        "Looks for personal data in every document of a store and withholds those that hold some, with the "
        "kinds and their numbers; what matched is kept nowhere. Stopped or killed, the next run goes on from "
        "where it was. Documents that somebody looked at and restored are left alone."
    )

    told = 0.0

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the store's name")
        parser.add_argument(
            "--kinds", nargs="+", default=[], metavar="KIND",
            help=f"what to look for, of {', '.join(KINDS)}; by default HEADWATER_PERSONAL_DATA",
        )  # fmt: skip
        parser.add_argument("--processes", type=int, help="by default HEADWATER_SCAN_PROCESSES")

    def handle(self, *args: Any, name: str, kinds: list[str], processes: int | None, **options: Any) -> None:
        store = Store.objects.filter(name=name).first()
        if store is None:
            known = ", ".join(Store.objects.values_list("name", flat=True)[:20])
            raise CommandError(f"No store is called {name!r}. Known: {known or 'none yet'}.")
        if processes is not None and not 1 <= processes <= 1024:
            raise CommandError(f"--processes is {processes}: give 1 to 1024.")
        by = Actor.of_command("scan_corpus")
        try:
            sweep = scan_now(store=store, by=by, kinds=kinds, report=self.report, processes=processes)
        except TracingError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. What was done is kept: run the same again to go on.") from None
        if sweep.state == SweepState.FAILED:
            raise CommandError(sweep.error)
        self.stdout.write(self.style.SUCCESS(summary(sweep)))

    def report(self, sweep: Sweep) -> None:
        if time.monotonic() - self.told < EVERY_S:
            return
        self.told = time.monotonic()
        eta = f", {sweep.eta_s:,.0f} s left" if sweep.eta_s is not None else ""
        self.stderr.write(f"{sweep.done:,} of {sweep.total:,} documents, {sweep.found:,} withheld{eta}")


def summary(sweep: Sweep) -> str:
    """`Withheld 2 of 500 documents (CREDIT_CARD 1, IBAN_CODE 2)`."""
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(sweep.kinds.items()))
    return f"Withheld {sweep.found:,} of {sweep.total:,} documents" + (f" ({kinds})." if kinds else ".")
