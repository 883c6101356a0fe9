"""The settings of the composer, as another model or a preset changes them."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from playground.composer.settings import ComposerSettings, settings_of_thread
from playground.models import Preset, Thread
from training.access import checkpoints_for
from training.models import Checkpoint

FRAGMENT = "playground/composer/_settings_fields.html"


@never_cache
@require_POST
def settings_fields(request: HttpRequest) -> HttpResponse:
    """The fields as a preset has them; as they were sent, where none is chosen."""
    preset = own_preset(request, request.POST.get("preset", ""))
    chosen = open_checkpoint(request.user, request.POST.get("model", ""))
    return render(request, FRAGMENT, fields_context(request, preset=preset, checkpoint=chosen))


@never_cache
@require_GET
def model_bounds(request: HttpRequest) -> HttpResponse:
    """What the model that is chosen now allows. The other fields stay as they are: somebody may be typing."""
    checkpoint = open_checkpoint(request.user, request.GET.get("model", ""))
    settings = ComposerSettings.of_form(request.GET, checkpoint)
    return render(request, "playground/composer/_model_bounds.html", {"settings": settings})


def fields_context(
    request: HttpRequest, *, preset: Preset | None, checkpoint: Checkpoint | None
) -> dict[str, Any]:
    """What the fields' template needs: a preset's values, or those of the form that was sent."""
    if preset is None:
        return offered(request, ComposerSettings.of_form(request.POST, checkpoint))
    found = preset.checkpoint and open_checkpoint(request.user, preset.checkpoint.name)
    settings = ComposerSettings.of_parameters(preset.parameters, found or checkpoint)
    return offered(request, settings) | {"preset": preset, "preset_model": found}


def page_context(
    request: HttpRequest, *, model: str, thread: Thread | None = None, leaf: UUID | None = None
) -> dict[str, Any]:
    """What a page with a composer needs; `model` is the name of the one that is chosen in it, `leaf` the end
    of the thread's path that is shown."""
    checkpoint = open_checkpoint(request.user, model)
    if preset := own_preset(request, request.GET.get("preset", "")):
        return offered(request, ComposerSettings.of_parameters(preset.parameters, checkpoint))
    return offered(request, settings_of_thread(thread, checkpoint, leaf))


def offered(request: HttpRequest, settings: ComposerSettings) -> dict[str, Any]:
    return {"settings": settings, "presets": Preset.objects.of_browser(request)}


def own_preset(request: HttpRequest, pk: str) -> Preset | None:
    """The browser's own preset with that id; None for any other, and for what is no id."""
    try:
        found = Preset.objects.of_browser(request).select_related("checkpoint").filter(pk=UUID(pk))
    except ValueError:
        return None
    return found.first()


def open_checkpoint(user: User | None, name: str) -> Checkpoint | None:
    """The model of that name, if it is open to this person."""
    return checkpoints_for(user).filter(name=name[:200]).first() if name and "\0" not in name else None
