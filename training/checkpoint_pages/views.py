"""Pages of the registry: each parses, asks one service, renders."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import Actor
from tracing.core.errors import InputError, TracingError
from training.charts import loss_chart
from training.checkpoint_pages.card import card_of
from training.checkpoint_pages.comparing import compare_checkpoints
from training.checkpoint_pages.listing import SORTS, list_checkpoints
from training.checkpoint_pages.saw import document_times, reading_at, reading_of, step_view
from training.core.errors import TrainingError
from training.corpora.choices import corpora_for
from training.journal import read_metrics
from training.lineage import Lineage
from training.lineage_pages.drawing import family_of
from training.models import Checkpoint, Flow
from training.transfers.services import takes_gguf
from training.verification import is_quick_to_verify, verify_checkpoint, visible_damage

DIGITS_MAX = 15


@never_cache
@require_GET
def checkpoints(request: HttpRequest) -> HttpResponse:
    """All checkpoints; htmx asks for the list alone while words are typed."""
    asked = {name: request.GET.get(name, "") for name in ("q", "flow", "sort")}
    sort = asked["sort"] if asked["sort"] in SORTS else "flow"
    context = {
        "section": "models",
        "asked": asked | {"sort": sort},
        "sorts": SORTS,
        "flows": Flow.objects.all(),
        "listing": list_checkpoints(words=asked["q"], flow=asked["flow"], sort=sort),
    }
    return render(request, f"training/checkpoints/{'_list' if request.htmx else 'list'}.html", context)


@never_cache
@require_GET
def checkpoint(request: HttpRequest, name: str) -> HttpResponse:
    """One checkpoint: what it is, where it comes from, what it learnt from, what it can do and cost."""
    row = known(name)
    context = {
        "section": "models",
        "card": card_of(row),
        "family": family_of(row),
        "chart": loss_chart(read_metrics(row.job)) if row.job else "",
        "may_verify": request.user.is_staff,
        "corpora": corpora_for(row) if request.user.is_staff else [],
        **transfers_offered(row, request.user.is_staff),
    }
    return render(request, "training/checkpoints/page.html", context)


def transfers_offered(row: Checkpoint, is_staff: bool) -> dict[str, Any]:
    """What an administrator may do with a checkpoint whose files are whole."""
    offered = is_staff and not visible_damage(row)
    return {"may_transfer": offered, "takes_gguf": offered and takes_gguf(row)}


@never_cache
@require_GET
def step(request: HttpRequest, name: str) -> HttpResponse:
    """What the checkpoint's stage, or one before it, read at a step."""
    row = known(name)
    lineage = Lineage.of(row)
    context: dict[str, Any] = {"section": "models", "checkpoint": row, "lineage": lineage}
    try:
        number = whole_number("step", request.GET.get("step") or str(row.step))
        reading = reading_at(lineage, request.GET.get("store", ""), max(1, number))
        context["reading"] = reading
        page = whole_number("page", request.GET.get("page") or "1")
        context["view"] = step_view(reading, number, page)
    except (InputError, TracingError, TrainingError) as error:
        return render(request, "training/checkpoints/step.html", context | {"error": error}, status=422)
    return render(request, "training/checkpoints/step.html", context)


@never_cache
@require_GET
def document(request: HttpRequest, name: str) -> HttpResponse:
    """When the checkpoint, or those that it descends from, read a document."""
    row = known(name)
    lineage = Lineage.of(row)
    context: dict[str, Any] = {"section": "models", "checkpoint": row, "lineage": lineage}
    try:
        reading = reading_of(lineage, request.GET.get("store", ""))
        number = whole_number("document", request.GET.get("document") or "0")
        context |= {"reading": reading, "number": number}
        context["times"] = document_times(lineage, reading.store.name, number)
    except (InputError, TracingError, TrainingError) as error:
        return render(request, "training/checkpoints/document.html", context | {"error": error}, status=422)
    return render(request, "training/checkpoints/document.html", context)


@never_cache
@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Two checkpoints beside each other; with fewer named, a form to choose them."""
    names = [request.GET.get(side, "") for side in ("a", "b")]
    context: dict[str, Any] = {"section": "models", "names": names}
    context["choices"] = Checkpoint.objects.order_by("-created_at", "-pk").values_list("name", flat=True)
    if all(names):
        context["comparison"] = compare_checkpoints(*(known(name) for name in names))
    return render(request, "training/checkpoints/compare.html", context)


@require_POST
def verify(request: HttpRequest, name: str) -> HttpResponse:
    """Computes the digest of the weights again; a worker does it where they are large."""
    if not request.user.is_staff:
        raise PermissionDenied("Only administrators verify checkpoints.")
    row = known(name)
    if is_quick_to_verify(row):
        verdict = verify_checkpoint(checkpoint=row, by=Actor.of_request(request))
        say = messages.success if verdict.is_whole else messages.warning
        say(request, "Its weights are whole." if verdict.is_whole else verdict.problem)
    else:
        leave_to_worker(row, request)
        messages.info(request, "Its weights are large: a worker reads them now. Look again in a minute.")
    return redirect("checkpoint", name)


def leave_to_worker(row: Checkpoint, request: HttpRequest) -> None:
    from training import tasks

    transaction.on_commit(lambda: tasks.verify_checkpoint.delay(row.pk, request.user.pk))


def known(name: str) -> Checkpoint:
    return get_object_or_404(Checkpoint.objects.select_related("job__flow"), name=name)


def whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > DIGITS_MAX:
        raise InputError(f"{name} is {text[:40]!r}: write a whole number.")
    return int(text)
