"""`manage.py export_model NAME DIRECTORY`: a checkpoint for transformers, the Hub and llama.cpp."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from tracing.core.errors import TracingError
from training.core.errors import TrainingError
from training.exchange.exporting import export_model
from training.management.commands.trace import find_checkpoint


class Command(BaseCommand):
    help = (
        "Writes a checkpoint to a new directory that transformers and vLLM load: weights, configuration, "
        "tokenizer, chat template, and a model card with its stages, data, licences, scores and "
        "contamination. An adapter is merged into its base. With --gguf a file for llama.cpp is written "
        "too."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", metavar="NAME", help="the checkpoint")
        parser.add_argument("folder", type=Path, metavar="DIRECTORY", help="where to; it is made")
        parser.add_argument(
            "--gguf", nargs="?", const="f32", choices=["f32", "f16"],
            help="write a GGUF file too, with matrices in f32 (default) or f16",
        )  # fmt: skip

    def handle(self, *args: Any, model: str, folder: Path, gguf: Any, **options: Any) -> None:
        try:
            by = Actor.of_command("export_model")
            done = export_model(checkpoint=find_checkpoint(model), folder=folder.resolve(), by=by, gguf=gguf)
        except (TrainingError, TracingError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"Wrote {model} to {done}"))
