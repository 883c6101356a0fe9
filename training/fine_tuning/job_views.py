"""/jobs/ and /jobs/<id>/: what runs, how it goes, and the buttons that steer it."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import Actor
from accounts.staff import staff_only
from training.core.errors import JobError
from training.fine_tuning.acts import steer_job
from training.fine_tuning.presentation import job_view, listed_jobs, shares
from training.models import JobState

PAGE_ROWS = 40
AT_WORK = (JobState.VALIDATING, JobState.QUEUED, JobState.RUNNING)


@never_cache
@staff_only
@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    """All jobs; htmx asks for the list again while any is at work."""
    page = Paginator(listed_jobs(), PAGE_ROWS).get_page(request.GET.get("page"))
    rows = shares(page.object_list)
    live = any(job.state in AT_WORK for job, _ in rows)
    context = {"section": "jobs", "page": page, "rows": rows, "live": live}
    template = "_list.html" if is_fragment(request) else "list.html"
    return render(request, f"training/jobs/{template}", context)


@never_cache
@staff_only
@require_GET
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """One job; htmx asks for its live part again every two seconds while it is at work."""
    view = job_view(get_object_or_404(listed_jobs(), pk=pk))
    template = "_job.html" if is_fragment(request) else "job.html"
    return render(request, f"training/jobs/{template}", {"section": "jobs", "view": view})


@staff_only
@require_POST
def steer(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """Pauses, resumes or cancels a job, on record."""
    row = get_object_or_404(listed_jobs(), pk=pk)
    try:
        steer_job(row, act, by=Actor.of_request(request))
    except JobError as error:
        messages.warning(request, f"{error}.")
    return redirect("job", row.pk)


def is_fragment(request: HttpRequest) -> bool:
    return bool(request.htmx) and not request.htmx.history_restore_request
