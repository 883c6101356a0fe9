"""Whether a checkpoint's weights are still those that were published."""

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor, record_act
from accounts.models import User
from training.core.checkpoints import check_weights, read_checkpoint, weight_files
from training.core.errors import CheckpointError
from training.models import Checkpoint

INLINE_BYTES = 2 * 2**30
"""Weights up to this size are read while a page waits; larger ones by a worker."""


@dataclass(frozen=True)
class Verdict:
    """`problem` says what is wrong with a checkpoint's files; empty where nothing is."""

    checkpoint: Checkpoint
    problem: str

    @property
    def is_whole(self) -> bool:
        return not self.problem


def verify_checkpoint(*, checkpoint: Checkpoint, by: Actor) -> Verdict:
    """Computes the digest of the weights, compares it with manifest and row, and keeps what was found.

    Engines and jobs refuse a damaged checkpoint until it is restored and verified again.
    """
    problem = problem_of(checkpoint)
    with transaction.atomic():
        checkpoint.verified_at, checkpoint.damage = timezone.now(), problem
        checkpoint.save(update_fields=["verified_at", "damage"])
        record_act(
            by=by,
            action="verify",
            object_type="checkpoint",
            object_id=checkpoint.pk,
            label=checkpoint.name,
            detail={"problem": problem} if problem else {},
        )
    return Verdict(checkpoint, problem)


def verify_queued(checkpoint_id: int, user_id: int) -> None:
    """As `verify_checkpoint`, of rows that may be gone by the time a worker comes to it."""
    checkpoint = Checkpoint.objects.filter(pk=checkpoint_id).first()
    person = User.objects.filter(pk=user_id).first()
    if checkpoint and person:
        verify_checkpoint(checkpoint=checkpoint, by=Actor(person.get_username(), person))


def problem_of(checkpoint: Checkpoint) -> str:
    try:
        manifest = read_checkpoint(checkpoint.path)
        if manifest.digest != checkpoint.digest:
            return (
                f"Its manifest names the weights {manifest.digest}, the database {checkpoint.digest}: other "
                "files were put in its place."
            )
        check_weights(checkpoint.path, manifest)
    except CheckpointError as error:
        return without_home(str(error))
    return ""


def without_home(text: str) -> str:
    """Pages say where a file lies in the data directory, and not where that is."""
    return text.replace(f"{settings.HOME}/", "")


def visible_damage(checkpoint: Checkpoint) -> str:
    """What is known to be wrong, without reading the weights: what was found earlier, or that files are
    missing. Empty where nothing is."""
    if checkpoint.damage:
        return checkpoint.damage
    if not checkpoint.path.is_dir():
        return (
            f"Its directory checkpoints/{checkpoint.name} is missing: restore it, or remove the checkpoint."
        )
    if not weight_files(checkpoint.path):
        return f"Its weights are missing from checkpoints/{checkpoint.name}: restore them, or remove it."
    return ""


def check_usable(checkpoint: Checkpoint) -> None:
    """Raises CheckpointError for a checkpoint that nothing may start from."""
    if damage := visible_damage(checkpoint):
        raise CheckpointError(f"{checkpoint.name} cannot be started from. {damage}")


def is_quick_to_verify(checkpoint: Checkpoint) -> bool:
    return sum(path.stat().st_size for path in weight_files(checkpoint.path)) <= INLINE_BYTES
