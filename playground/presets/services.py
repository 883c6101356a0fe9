"""Presets are kept under a name: keeping another under the same name replaces the first."""

from typing import Any

from django.db import transaction

from accounts.owners import Owner
from playground.models import Preset
from tracing.core.errors import InputError
from training.models import Checkpoint

MAX_PRESETS = 100


def keep_preset(
    *, owner: Owner, name: str, parameters: dict[str, Any], checkpoint: Checkpoint | None
) -> Preset:
    """Keep parameters under a name. InputError where somebody has too many presets already."""
    mine = Preset.objects.of(owner)
    with transaction.atomic():
        preset = mine.filter(name=name).first()
        if preset is None:
            if mine.count() >= MAX_PRESETS:
                raise InputError(f"You have {MAX_PRESETS} presets, as many as fit. Delete one first.")
            preset = Preset(owner=owner.user, session_key=owner.session_key, name=name)
        preset.parameters, preset.checkpoint = parameters, checkpoint
        preset.save()
    return preset
