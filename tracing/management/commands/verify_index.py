"""`manage.py verify_index DIR`: is every byte of a token store what it was when it was published?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracing.core.errors import TracingError
from tracing.core.stores.verify import verify_store


class Command(BaseCommand):
    help = (
        "Reads a whole token store and compares it with its manifest and its files with each other: digests, "
        "offsets, metadata, token counts, and the order of the suffix array. Needs no database. Exits with 1 "
        "at the first fault, and says which file it is in."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="the store's directory, the one with manifest.json")
        parser.add_argument(
            "--suffixes",
            type=int,
            metavar="N",
            help="compare N neighbours of the suffix array, drawn at random, instead of all of them, which "
            "takes 12 bytes of memory a token",
        )

    def handle(self, *args: Any, directory: Path, suffixes: int | None, **options: Any) -> None:
        if suffixes is not None and suffixes < 1:
            raise CommandError(f"--suffixes is {suffixes}: give a number from 1, or leave it out for all.")
        try:
            found = verify_store(directory, suffixes=suffixes, progress=self.teller())
        except TracingError as error:
            raise CommandError(str(error)) from error
        manifest = found.manifest
        counted = f"{manifest.documents:,} documents, {manifest.tokens:,} tokens, {found.size_bytes:,} bytes"
        self.stdout.write(f"Order of {found.suffixes:,} neighbouring suffixes checked; {manifest.digest}")
        self.stdout.write(self.style.SUCCESS(f"{manifest.name} is sound: {counted}."))

    def teller(self) -> Callable[[str, float], None]:
        """Tells each phase on the terminal as it begins."""
        told: set[str] = set()

        def tell(phase: str, share: float) -> None:
            if phase not in told:
                told.add(phase)
                self.stderr.write(f"checking {phase} ...")

        return tell
