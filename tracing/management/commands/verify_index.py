"""`manage.py verify_index DIR`: is every byte of a token store what it was when it was published?"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracing.core.building.adopting import (
    Adoption,
    ForeignIndex,
    check_foreign_index,
    is_foreign_index,
    token_type_of,
)
from tracing.core.building.description import Description
from tracing.core.errors import TracingError
from tracing.core.stores.layout import MANIFEST
from tracing.core.stores.verify import Progress, Verification, verify_store
from tracing.management.describing import add_description, given_description, given_tokenizer, require
from tracing.management.progress import CommandProgress

NEEDED = ("tokenizer", "stage", "licence", "source")


class Command(BaseCommand):
    help = (
        "Reads a whole token store and compares it with its manifest and its files with each other: digests, "
        "offsets, metadata, token counts, and the order of the suffix array. Needs no database. Exits with 1 "
        "at the first fault, and says which file it is in. An index that infini-gram built (its version 4, "
        "without a manifest) is checked in the same way; --adopt then writes the manifest and what else it "
        "lacks beside its files, which stay as they are."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="the directory of the store, or of the index")
        parser.add_argument(
            "--suffixes",
            type=int,
            metavar="N",
            help="compare N neighbours of the suffix array, drawn at random, instead of all of them, which "
            "takes 12 bytes of memory a token",
        )
        parser.add_argument("--adopt", action="store_true", help="make an infini-gram index a store")
        parser.add_argument("--name", help="the name of the adopted store (its directory's)")
        add_description(parser)

    def handle(self, *args: Any, directory: Path, suffixes: int | None, **options: Any) -> None:
        if suffixes is not None and suffixes < 1:
            raise CommandError(f"--suffixes is {suffixes}: give a number from 1, or leave it out for all.")
        try:
            with CommandProgress(self.stderr) as progress:
                if is_foreign_index(directory):
                    adoption = self.check_foreign(directory, suffixes, options, progress.tell)
                    found, name = adoption.found, str(directory)
                else:
                    self.check_is_store(directory, adopt=options["adopt"])
                    adoption, found = None, verify_store(directory, suffixes=suffixes, progress=progress.tell)
                    name = found.manifest.name
        except TracingError as error:
            raise CommandError(str(error)) from error
        self.tell_sound(name, found)
        if adoption:
            self.tell_adoption(directory, adoption, adopted=options["adopt"])

    def check_is_store(self, directory: Path, *, adopt: bool) -> None:
        if (directory / "tokenized.0").exists() and not (directory / MANIFEST).exists():
            raise CommandError(
                f"{directory} has tokens but no table.0: manage.py build_index makes it a store."
            )
        if adopt:
            raise CommandError(f"{directory} is no index without a manifest: nothing to adopt.")

    def check_foreign(
        self, directory: Path, suffixes: int | None, options: dict[str, Any], progress: Progress
    ) -> Adoption:
        given = given_description(options)
        if options["adopt"]:
            require(given, NEEDED, f"{directory} does not say what it is of")
        name = options["name"] or directory.resolve().name
        unknown = dict.fromkeys(NEEDED, "not given") | {
            "dtype": given.get("dtype") or token_type_of(directory)
        }
        tokenizer = given_tokenizer(options["tokenizer"])
        index = ForeignIndex(
            directory=directory,
            described=Description(**{"name": name, **unknown, **given}),
            vocabulary=tokenizer.vocabulary if tokenizer else None,
            suffixes=suffixes,
        )
        return check_foreign_index(index, adopt=options["adopt"], progress=progress)

    def tell_sound(self, name: str, found: Verification) -> None:
        manifest = found.manifest
        counted = f"{manifest.documents:,} documents, {manifest.tokens:,} tokens, {found.size_bytes:,} bytes"
        self.stdout.write(f"Order of {found.suffixes:,} neighbouring suffixes checked; {manifest.digest}")
        self.stdout.write(self.style.SUCCESS(f"{name} is sound: {counted}."))

    def tell_adoption(self, directory: Path, adoption: Adoption, *, adopted: bool) -> None:
        files = ", ".join(adoption.made)
        if adopted:
            self.stdout.write(f"Adopted {directory}: wrote {files}.")
        else:
            self.stdout.write(
                f"It has no manifest. With --adopt, --tokenizer, --stage, --licence and --source, this would "
                f"write {files} beside its files, and change none of them."
            )
