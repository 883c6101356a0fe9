"""/presets/: the settings that a person kept under names."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.owners import Owner
from playground.composer.views import FRAGMENT, fields_context, open_checkpoint
from playground.models import Preset
from playground.presets.forms import PresetForm
from playground.presets.services import keep_preset
from tracing.core.errors import InputError


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def presets(request: HttpRequest) -> HttpResponse:
    """The list; POST keeps the composer's settings under a name."""
    return keep(request) if request.method == "POST" else list_page(request)


def list_page(request: HttpRequest, problem: str = "") -> HttpResponse:
    found = Preset.objects.of_browser(request).select_related("checkpoint")
    context = {"section": "chat", "presets": found, "problem": problem}
    return render(request, "playground/presets/list.html", context, status=422 if problem else 200)


def keep(request: HttpRequest) -> HttpResponse:
    form = PresetForm(request.POST, user=request.user)
    if not form.is_valid():
        return kept_not(request, form.first_error())
    data = form.cleaned_data
    try:
        preset = keep_preset(
            owner=Owner.of(request),
            name=data["preset_name"],
            parameters=form.parameters(),
            checkpoint=data["model"],
        )
    except InputError as error:
        return kept_not(request, str(error))
    if not request.htmx:
        return redirect("presets")
    context = fields_context(request, preset=preset, checkpoint=data["model"])
    return render(request, FRAGMENT, context | {"kept": preset})


def kept_not(request: HttpRequest, problem: str) -> HttpResponse:
    """Why the settings were not kept, above the fields as they were sent."""
    if not request.htmx:
        return list_page(request, problem)
    checkpoint = open_checkpoint(request.user, request.POST.get("model", ""))
    context = fields_context(request, preset=None, checkpoint=checkpoint)
    return render(request, FRAGMENT, context | {"problem": problem}, status=422)


@require_POST
def delete_preset(request: HttpRequest, pk: UUID) -> HttpResponse:
    get_object_or_404(Preset.objects.of_browser(request), pk=pk).delete()
    return redirect("presets")
