"""`manage.py import_model DIRECTORY --name NAME`: a Hugging Face model as a checkpoint, with its corpora."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from tracing.core.errors import TracingError
from training.core.errors import TrainingError
from training.corpora.services import attach_corpora, detach_corpora
from training.exchange.importing import import_model
from training.management.commands.trace import find_checkpoint


class Command(BaseCommand):
    help = (
        "Copies a Hugging Face model's directory (config.json, *.safetensors, tokenizer.json) into a "
        "checkpoint that can be chatted with, evaluated, fine-tuned and, with its corpora, traced. Pickles "
        "are never opened and no code of the model is run. With --attach a model that was imported before "
        "gets more corpora; with --detach those that were attached by mistake go."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", nargs="?", type=Path, metavar="DIRECTORY", help="the model's directory")
        parser.add_argument("--name", required=True, help="the checkpoint's name")
        parser.add_argument(
            "--corpus", action="append", default=[], metavar="NAME",
            help="a store of its training data, as import_corpus made it; may be given again",
        )  # fmt: skip
        later = parser.add_mutually_exclusive_group()
        later.add_argument(
            "--attach", action="store_true", help="add the corpora to the checkpoint NAME that is there"
        )
        later.add_argument("--detach", action="store_true", help="take the corpora away from it again")

    def handle(self, *args: Any, folder: Path | None, name: str, corpus: list[str], **options: Any) -> None:
        change = attach_corpora if options["attach"] else detach_corpora if options["detach"] else None
        if (change is None) == (folder is None):
            raise CommandError(
                "Name the model's directory, or give --attach or --detach for a checkpoint that is there."
            )
        by = Actor.of_command("import_model")
        try:
            if folder is None:
                done = change(checkpoint=find_checkpoint(name), corpora=corpus, by=by)
            else:
                done = import_model(folder=folder, name=name, corpora=corpus, by=by)
        except (TrainingError, TracingError) as error:
            raise CommandError(str(error)) from error
        stores = ", ".join(done.stores.values_list("name", flat=True)) or "no corpora to trace to"
        self.stdout.write(self.style.SUCCESS(f"{done} at {done.path}, with {stores}"))
