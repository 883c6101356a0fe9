"""GET /v1/models: every checkpoint can be chatted with; those that engines hold now answer at once."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from accounts.authentication import Caller
from accounts.models import User
from accounts.recent import Recent
from playground.database import in_database
from playground.gateway.once import once
from playground.models import Engine, EngineState
from playground.openai.errors import model_not_found
from training.access import checkpoints_for
from training.models import Checkpoint

_recent: Recent[Checkpoint] = Recent(keep_s=2.0)


async def list_models(request: HttpRequest, caller: Caller) -> JsonResponse:
    return JsonResponse({"object": "list", "data": await in_database(all_models, caller.user)})


async def show_model(request: HttpRequest, caller: Caller, name: str) -> JsonResponse:
    return JsonResponse(await in_database(one_model, name, caller.user))


def all_models(user: User) -> list[dict[str, Any]]:
    """Newest first."""
    loaded = loaded_ids()
    checkpoints = checkpoints_for(user).order_by("-created_at", "-id")
    return [model_object(checkpoint, checkpoint.pk in loaded) for checkpoint in checkpoints]


def one_model(name: str, user: User) -> dict[str, Any]:
    checkpoint = find_checkpoint(name, user)
    return model_object(checkpoint, checkpoint.pk in loaded_ids())


def find_checkpoint(name: str, user: User | None = None) -> Checkpoint:
    """The checkpoint of that name that this person may talk to; a 404 in OpenAI's form if there is none."""
    checkpoint = None if "\0" in name else checkpoints_for(user).filter(name=name).first()
    if checkpoint is None:
        raise model_not_found(name)
    return checkpoint


async def recent_checkpoint(name: str, user: User) -> Checkpoint:
    """As `find_checkpoint`, of two seconds ago at most: programs ask for the same model again and again."""
    checkpoint = _recent.get((user.pk, name))
    if checkpoint is None:
        key = ("checkpoint", user.pk, name)
        checkpoint = await once(key, lambda: in_database(find_checkpoint, name, user))
        _recent.put((user.pk, name), checkpoint)
    return checkpoint


def loaded_ids() -> set[int]:
    held = Engine.objects.filter(state=EngineState.READY, checkpoint__isnull=False)
    whole = set(held.values_list("checkpoint", flat=True))
    return whole | set(Checkpoint.objects.filter(base__in=whole).values_list("pk", flat=True))


def model_object(checkpoint: Checkpoint, loaded: bool) -> dict[str, Any]:
    """OpenAI's four fields, then ours."""
    return {
        "id": checkpoint.name,
        "object": "model",
        "created": int(checkpoint.created_at.timestamp()),
        "owned_by": "headwater",
        "stage": checkpoint.stage,
        "step": checkpoint.step,
        "final": checkpoint.final,
        "thinking": checkpoint.thinking,
        "loaded": loaded,
    }
