"""`manage.py build_index NAME`: a directory of tokens becomes a store, with its suffix array."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracing.byte_indexes import build_byte_index
from tracing.core.building.description import Description, read_description
from tracing.core.building.heads_file import add_heads
from tracing.core.building.indexing import build_index
from tracing.core.errors import TracingError
from tracing.core.stores.layout import MANIFEST
from tracing.core.stores.manifest import Manifest
from tracing.documents import keep_tokenizer
from tracing.management.commands.import_corpus import check_name
from tracing.management.describing import add_description, given_description, require
from tracing.management.progress import CommandProgress
from tracing.models import Store
from tracing.services import register_store

NEEDED = ("tokenizer", "stage", "licence", "source", "dtype")


class Command(BaseCommand):
    help = (
        "Makes a token store of a directory that has tokens (tokenized.N, offset.N and, if you like, "
        "metadata.N): those of import_corpus --no-index, or of infini-gram's indexer. Sorts the suffix "
        "array, counts the tokens, checksums every file, and writes manifest.json last: it is a store when "
        "that is there. Killed, the same command goes on with the next file. Takes 6 bytes of memory for "
        "each byte of the largest tokenized.N. Needs no database with --store. Where a large store lacks its "
        "heads.N, which make searches faster, it makes these."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="a store's name under HEADWATER_HOME/stores")
        parser.add_argument("--store", type=Path, metavar="DIR", help="a directory anywhere, instead of NAME")
        parser.add_argument(
            "--bytes",
            action="store_true",
            help="instead, build the byte index of a registered small store, which finds the same words in "
            "other tokens; the worker does so by itself within a minute or two",
        )
        add_description(parser)

    def handle(self, *args: Any, name: str | None, store: Path | None, **options: Any) -> None:
        if (name is None) == (store is None):
            raise CommandError("Name a store, or give --store DIR: one of them.")
        if options["bytes"]:
            self.build_bytes(name)
        else:
            self.build_store(name, store, options)

    def build_store(self, name: str | None, store: Path | None, options: dict[str, Any]) -> None:
        if name is not None:
            check_name(name)
        directory = store or settings.HOME / "stores" / str(name)
        try:
            if (directory / MANIFEST).exists():
                manifest = add_heads(directory)
            else:
                manifest = self.build(directory, options)
            if store is None:
                register(directory, options["tokenizer"])
        except TracingError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped: run the same again to go on.") from None
        counted = f"{manifest.documents:,} documents, {manifest.tokens:,} tokens"
        self.stdout.write(self.style.SUCCESS(f"Published {directory}: {counted}"))

    def build_bytes(self, name: str | None) -> None:
        store = Store.objects.filter(name=name).first()
        if store is None:
            raise CommandError(f"--bytes takes the name of a registered store: none is called {name!r}.")
        try:
            built = build_byte_index(store)
        except TracingError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS("Published its byte index." if built else "It has one already."))

    def build(self, directory: Path, options: dict[str, Any]) -> Manifest:
        given = given_description(options)
        written = read_description(directory)
        if written and given.get("tokenizer", written.tokenizer) != written.tokenizer:
            raise CommandError(f"{directory} was written with tokenizer {written.tokenizer}: give that one.")
        fields = {"name": directory.resolve().name, **(written.__dict__ if written else {}), **given}
        require(fields, NEEDED, f"{directory} does not say what its tokens are")
        with CommandProgress(self.stderr) as progress:
            return build_index(directory, Description(**fields), progress.tell)


def register(directory: Path, tokenizer: str | None) -> None:
    """Make the store known to the site, and keep its tokenizer if a directory with it was given."""
    row = register_store(directory)
    if tokenizer and Path(tokenizer).is_dir():
        keep_tokenizer(row, Path(tokenizer))
