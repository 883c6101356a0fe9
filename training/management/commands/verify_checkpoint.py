"""`manage.py verify_checkpoint`: are the weights on disk still those that were published?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit import Actor
from training.management.commands.trace import find_checkpoint
from training.models import Checkpoint
from training.verification import verify_checkpoint


class Command(BaseCommand):
    help = (
        "Computes the digest of checkpoints' weights and compares it with what their manifests and the "
        "database say. Engines and jobs refuse a checkpoint that was found damaged until it is verified "
        "whole again. Exits with 1 where one is damaged."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="checkpoints by their names")
        parser.add_argument("--all", action="store_true", help="every checkpoint that is registered")

    def handle(self, *, names: list[str], all: bool, **options: Any) -> None:
        if bool(names) == all:
            raise CommandError("Name one or more checkpoints, or give --all.")
        chosen = list(Checkpoint.objects.all()) if all else [find_checkpoint(name) for name in names]
        damaged = [checkpoint.name for checkpoint in chosen if not self.verify(checkpoint)]
        if damaged:
            raise CommandError(f"{len(damaged)} of {len(chosen)} damaged: {', '.join(damaged)}.")

    def verify(self, checkpoint: Checkpoint) -> bool:
        verdict = verify_checkpoint(checkpoint=checkpoint, by=Actor.of_command("verify_checkpoint"))
        self.stdout.write(f"{checkpoint.name}: {verdict.problem or f'whole, {checkpoint.digest}'}")
        return verdict.is_whole
