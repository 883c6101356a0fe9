"""/transfers/: models taken in, given out and merged, and the files of what was given out."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import Actor
from accounts.staff import staff_only
from training.core.errors import TrainingError
from training.models import Checkpoint
from training.transfers.folders import files_of
from training.transfers.forms import ExportForm, ImportForm, MergeForm
from training.transfers.models import Transfer
from training.transfers.services import ask_export, ask_import, ask_merge, delete_export

PAGE_ROWS = 40
CHUNK_BYTES = 1 << 20


@never_cache
@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def transfers(request: HttpRequest) -> HttpResponse:
    """All of them, with the form to take a model in; htmx asks again while any is at work."""
    form, error = ImportForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(place_of(ask_import(by=Actor.of_request(request), **form.cleaned_data)))
        except TrainingError as refusal:
            error = str(refusal)
    context = {"section": "models", "tab": "transfers", "form": form, "error": error, **listed(request)}
    template = "_list.html" if request.htmx and request.method != "POST" else "page.html"
    refused = bool(error) or (form.is_bound and not form.is_valid())
    return render(request, f"training/transfers/{template}", context, status=422 if refused else 200)


def listed(request: HttpRequest) -> dict[str, Any]:
    rows = Transfer.objects.select_related("checkpoint", "made", "owner")
    page = Paginator(rows, PAGE_ROWS).get_page(request.GET.get("page"))
    pairs = [(row, files_of(row) if row.kind == "export" and not row.at_work else []) for row in page]
    return {"page": page, "rows": pairs, "live": any(row.at_work for row, _ in pairs)}


def place_of(transfer: Transfer) -> str:
    return f"{reverse('transfers')}#transfer-{transfer.pk}"


@staff_only
@require_POST
def export(request: HttpRequest, name: str) -> HttpResponse:
    """Has a checkpoint written as a directory, and as a GGUF file where that is chosen."""
    row, form = get_object_or_404(Checkpoint, name=name), ExportForm(request.POST)
    if not form.is_valid():
        messages.warning(request, "Choose f32, f16 or no GGUF file.")
        return redirect("checkpoint", name)
    return asked(request, row, lambda by: ask_export(checkpoint=row, gguf=form.cleaned_data["gguf"], by=by))


@staff_only
@require_POST
def merge(request: HttpRequest, name: str) -> HttpResponse:
    """Has an adapter and its base made into one."""
    row, form = get_object_or_404(Checkpoint, name=name), MergeForm(request.POST)
    if not form.is_valid():
        messages.warning(request, "The name: lower-case letters, digits and hyphens, 100 at most.")
        return redirect("checkpoint", name)
    return asked(request, row, lambda by: ask_merge(checkpoint=row, name=form.cleaned_data["name"], by=by))


def asked(request: HttpRequest, row: Checkpoint, ask: Any) -> HttpResponse:
    """To the list, where it is seen at work; back to the checkpoint with what is in the way."""
    try:
        return redirect(place_of(ask(Actor.of_request(request))))
    except TrainingError as refusal:
        messages.warning(request, f"{refusal}.")
        return redirect("checkpoint", row.name)


@staff_only
@require_GET
def download(request: HttpRequest, pk: int, name: str) -> StreamingHttpResponse:
    """One file of an export: of those that are there, by its name."""
    transfer = get_object_or_404(Transfer, pk=pk, state="succeeded")
    file = next((each for each in files_of(transfer) if each.name == name), None)
    if file is None:
        raise Http404("There is no such file.")
    path = transfer.directory / file.name
    response = StreamingHttpResponse(chunks_of(path), content_type="application/octet-stream")
    response["Content-Length"] = str(file.size_bytes)
    response["Content-Disposition"] = content_disposition_header(True, file.name) or "attachment"
    return response


async def chunks_of(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


@staff_only
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Removes an export's files."""
    try:
        delete_export(transfer=get_object_or_404(Transfer, pk=pk), by=Actor.of_request(request))
    except TrainingError as refusal:
        messages.warning(request, f"{refusal}.")
    return redirect("transfers")
