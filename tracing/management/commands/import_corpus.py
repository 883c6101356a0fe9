"""`manage.py import_corpus NAME PATH...`: a corpus in files becomes a token store."""

import re
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracing.core.building.importing import Import, import_corpus
from tracing.core.errors import TracingError
from tracing.services import open_tokenizer, register_store

EVERY_S = 2.0
NAME = re.compile("[A-Za-z0-9_-]{1,100}")


class Command(BaseCommand):
    help = (
        'Imports JSON lines (an object with "text" a line, and if you like id, source, url, title, licence, '
        "date), text files, and folders of both into a token store under HEADWATER_HOME/stores, or, with "
        "--output, anywhere and without a database. Nothing is published unless all of it could be read."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the store's name: letters, digits, - and _")
        parser.add_argument("paths", nargs="+", type=Path, help="files and folders, read in this order")
        parser.add_argument("--tokenizer", type=Path, required=True, help="directory with a tokenizer.json")
        parser.add_argument("--stage", required=True, help="what it is for: pretrain, midtrain, ...")
        parser.add_argument("--licence", required=True, help="the documents' licence, shown beside each")
        parser.add_argument("--output", type=Path, help="directory to publish at, instead of HEADWATER_HOME")

    def handle(self, *args: Any, name: str, paths: list[Path], output: Path | None, **options: Any) -> None:
        if not NAME.fullmatch(name):
            raise CommandError(f"{name!r} cannot be a store's name: use letters, digits, - and _.")
        try:
            tokenizer = open_tokenizer(options["tokenizer"])
            target = output or settings.HOME / "stores" / name
            job = Import(name, paths, tokenizer, options["stage"], options["licence"], target)
            manifest = import_corpus(job, self.reporter())
            if output is None:
                register_store(target)
        except TracingError as error:
            raise CommandError(str(error)) from error
        counted = f"{manifest.documents:,} documents, {manifest.tokens:,} tokens"
        self.stdout.write(self.style.SUCCESS(f"Published {target}: {counted}"))

    def reporter(self) -> Any:
        """Tells the progress on the terminal now and then."""
        started = told = time.monotonic()

        def report(documents: int, tokens: int) -> None:
            nonlocal told
            if time.monotonic() - told > EVERY_S:
                told = time.monotonic()
                pace = tokens / (told - started)
                self.stderr.write(f"{documents:,} documents, {tokens:,} tokens, {pace:,.0f} tokens/s")

        return report
