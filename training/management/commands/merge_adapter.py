"""`manage.py merge_adapter NAME`: a whole checkpoint of a LoRA adapter and its base."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from tracing.core.errors import TracingError
from training.core.errors import TrainingError
from training.exchange.merging import merge_adapter
from training.management.commands.trace import find_checkpoint


class Command(BaseCommand):
    help = (
        "Publishes a LoRA adapter, merged into its base, as a whole checkpoint: to go on from with all "
        "weights, to export, or to serve where engines take no adapters. The adapter stays."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("adapter", metavar="NAME", help="the adapter's checkpoint")
        parser.add_argument("--name", help="the new checkpoint's name (default NAME-merged)")

    def handle(self, *args: Any, adapter: str, name: str | None, **options: Any) -> None:
        try:
            checkpoint = find_checkpoint(adapter)
            merged = merge_adapter(checkpoint=checkpoint, by=Actor.of_command("merge_adapter"), name=name)
        except (TrainingError, TracingError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"Published {merged} at {merged.path}"))
