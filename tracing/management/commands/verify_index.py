"""`manage.py verify_index DIR`: is every byte of a token store what it was when it was published?"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracing.core.errors import TracingError
from tracing.verification import verify_store


class Command(BaseCommand):
    help = (
        "Reads a whole token store and compares it with its manifest: digests, offsets, suffix array, "
        "metadata. Needs no database. Exits with 1 at the first fault, and says which file it is in."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="the store's directory, the one with manifest.json")

    def handle(self, *args: Any, directory: Path, **options: Any) -> None:
        try:
            manifest = verify_store(directory, self.stdout.write)
        except TracingError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            self.style.SUCCESS(
                f"{manifest.name} is sound: {manifest.documents:,} documents, {manifest.tokens:,} tokens, "
                f"{manifest.digest}"
            )
        )
