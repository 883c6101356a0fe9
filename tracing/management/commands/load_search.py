"""`manage.py load_search [NAME ...]`: loads stores into the search index, and shows how it goes."""

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracing.core.errors import SearchUnavailable, TracingError
from tracing.core.search.loading import Progress
from tracing.models import Store
from tracing.search.loading import load_stores

EVERY_S = 1.0


class Command(BaseCommand):
    help = (
        "Loads the documents of registered stores into the search index, and removes those of stores that "
        "are gone. Workers do this by themselves; here you see how it goes. Interrupted, it goes on where it "
        "was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="stores to load; all without a name")
        parser.add_argument(
            "--rebuild", action="store_true", help="build a new index beside the old one, then change over"
        )

    def handle(self, *args: Any, names: list[str], rebuild: bool, **options: Any) -> None:
        if rebuild and names:
            raise CommandError("--rebuild builds the whole index: leave the names out.")
        unknown = set(names).difference(Store.objects.values_list("name", flat=True))
        if unknown:
            raise CommandError(f"No store {min(unknown)!r} is registered: see /admin/ for their names.")
        self.told = 0.0
        started = time.monotonic()
        try:
            failed = load_stores(names, rebuild=rebuild, report=self.tell, refused=self.tell_refusal)
        except SearchUnavailable as error:
            raise CommandError(str(error)) from error
        if failed:
            raise CommandError(f"{failed} store{'s' if failed > 1 else ''} could not be loaded.")
        self.stdout.write(self.style.SUCCESS(f"Up to date after {time.monotonic() - started:.1f} s."))

    def tell(self, progress: Progress) -> None:
        """A line now and then, and at each store's end."""
        if progress.done < progress.documents and time.monotonic() - self.told < EVERY_S:
            return
        self.told = time.monotonic()
        left = "" if not progress.eta_s else f", about {progress.eta_s:.0f} s left"
        counted = f"{progress.done:,} of {progress.documents:,} documents"
        self.stderr.write(f"{progress.name}: {counted}, {progress.documents_per_s:,.0f} a second{left}")
        sys.stderr.flush()

    def tell_refusal(self, store: Store, error: TracingError) -> None:
        self.stderr.write(self.style.ERROR(f"{store.name}: {error}"))
