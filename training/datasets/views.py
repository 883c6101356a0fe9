"""/datasets/: what an administrator has brought, and what was found in it."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import Actor
from accounts.staff import staff_only
from training.core.datasets.limits import FILE_BYTES_MAX
from training.core.errors import DatasetError
from training.datasets import presentation
from training.datasets.choices import candidates, suggested_checkpoint
from training.datasets.models import Dataset, DatasetState
from training.datasets.services import (
    ask_measure,
    delete_dataset,
    leave_out_bad_rows,
    upload_dataset,
)
from training.models import Checkpoint

PAGE_ROWS = 50
CHOICES_MAX = 200
PREVIEW_DEPTH = 10_000
"""Rows that can be leafed through: all before those shown are read."""


@never_cache
@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def datasets(request: HttpRequest) -> HttpResponse:
    """The list, with the form to bring another; a POST brings one."""
    error = ""
    if request.method == "POST":
        try:
            return redirect("dataset", upload(request).pk)
        except DatasetError as refusal:
            error = str(refusal)
    rows = Dataset.objects.filter(owner=request.user).select_related("measuring")
    page = Paginator(rows, PAGE_ROWS).get_page(request.GET.get("page"))
    context = {"section": "datasets", "page": page, "error": error, "most_bytes": FILE_BYTES_MAX}
    return render(request, "training/datasets/list.html", context, status=422 if error else 200)


def upload(request: HttpRequest) -> Dataset:
    """The upload of the form. Raises DatasetError."""
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        raise DatasetError("no file was sent: choose one, then upload it")
    licence = request.POST.get("licence", "")
    by = Actor.of_request(request)
    return upload_dataset(owner=request.user, file=file, name=file.name or "", licence=licence, by=by)


@never_cache
@staff_only
@require_GET
def dataset(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The report on one; htmx asks for it again each second while a worker is at it."""
    row = own(request, pk)
    name = request.GET.get("checkpoint", "")
    checkpoint = get_object_or_404(Checkpoint, name=name) if name else measured_checkpoint(row)
    start = whole_number(request.GET.get("row", ""), min(row.rows, PREVIEW_DEPTH))
    context = {"section": "datasets", "dataset": row, "start": start, **report(row, checkpoint)}
    context["rows"] = presentation.preview(row, start)
    context["next"] = start + len(context["rows"])
    context["last"] = min(row.rows, PREVIEW_DEPTH)
    context["previous"] = max(0, start - presentation.PREVIEW_ROWS)
    context["fragment"] = bool(request.htmx) and not request.htmx.history_restore_request
    template = "_report.html" if context["fragment"] else "detail.html"
    return render(request, f"training/datasets/{template}", context)


def report(row: Dataset, checkpoint: Checkpoint | None) -> dict[str, Any]:
    return {
        "busy": row.state in (DatasetState.WAITING, DatasetState.CHECKING) or row.measuring is not None,
        "counts": presentation.problem_counts(row),
        "unlisted": presentation.unlisted(row),
        "checkpoint": checkpoint,
        "checkpoints": candidates()[:CHOICES_MAX],
        "measure": presentation.measure_of(row, checkpoint),
    }


def measured_checkpoint(row: Dataset) -> Checkpoint | None:
    """The checkpoint whose count is shown by default: the latest counted, or a likely one."""
    if row.measuring is not None:
        return row.measuring
    names = list(row.report.get("measures", {}))
    latest = Checkpoint.objects.filter(name__in=names[-1:]).first()
    return latest or suggested_checkpoint(row.format)


@staff_only
@require_POST
def leave_out(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Makes a data set with bad rows ready, without them."""
    row = own(request, pk)
    try:
        leave_out_bad_rows(dataset=row, by=Actor.of_request(request))
        if checkpoint := suggested_checkpoint(row.format):
            ask_measure(dataset=row, checkpoint=checkpoint)
    except DatasetError as error:
        messages.warning(request, str(error))
    return redirect("dataset", row.pk)


@staff_only
@require_POST
def measure(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Has it counted in the tokens of a checkpoint."""
    row = own(request, pk)
    checkpoint = get_object_or_404(Checkpoint, name=request.POST.get("checkpoint", ""))
    try:
        ask_measure(dataset=row, checkpoint=checkpoint)
    except DatasetError as error:
        messages.warning(request, str(error))
    return redirect("dataset", row.pk)


@staff_only
@require_POST
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Removes the upload."""
    row = own(request, pk)
    delete_dataset(dataset=row, by=Actor.of_request(request))
    messages.info(request, f"{row.name} was deleted.")
    return redirect("datasets")


def own(request: HttpRequest, pk: uuid.UUID) -> Dataset:
    """The person's own data set; another's does not exist for them."""
    return get_object_or_404(Dataset.objects.select_related("measuring"), pk=pk, owner=request.user)


def whole_number(text: str, most: int) -> int:
    """A place in the rows; 0 for anything else."""
    return min(int(text), max(0, most - 1)) if text.isascii() and text.isdigit() and len(text) < 10 else 0
