"""GET /v1/models: every checkpoint can be chatted with; those that engines hold now answer at once."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from accounts.authentication import Caller
from playground.database import in_database
from playground.models import Engine, EngineState
from playground.openai.errors import model_not_found
from training.models import Checkpoint


async def list_models(request: HttpRequest, caller: Caller) -> JsonResponse:
    return JsonResponse({"object": "list", "data": await in_database(all_models)})


async def show_model(request: HttpRequest, caller: Caller, name: str) -> JsonResponse:
    return JsonResponse(await in_database(one_model, name))


def all_models() -> list[dict[str, Any]]:
    """Newest first."""
    loaded = loaded_ids()
    checkpoints = Checkpoint.objects.order_by("-created_at", "-id")
    return [model_object(checkpoint, checkpoint.pk in loaded) for checkpoint in checkpoints]


def one_model(name: str) -> dict[str, Any]:
    checkpoint = find_checkpoint(name)
    return model_object(checkpoint, checkpoint.pk in loaded_ids())


def find_checkpoint(name: str) -> Checkpoint:
    """The checkpoint of that name; a 404 in OpenAI's form if there is none."""
    checkpoint = None if "\0" in name else Checkpoint.objects.filter(name=name).first()
    if checkpoint is None:
        raise model_not_found(name)
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
