"""/jobs/<id>/rollouts/: the answers that a step of reinforcement learning tried."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.staff import staff_only
from training.core.errors import JobError
from training.fine_tuning.presentation import listed_jobs
from training.rollouts.counts import rollout_counts
from training.rollouts.steps import asked_step, read_step


@never_cache
@staff_only
@require_GET
def rollouts(request: HttpRequest, pk: int) -> HttpResponse:
    """One step, by default the last; or why it cannot be shown."""
    job = get_object_or_404(listed_jobs(), pk=pk)
    context: dict[str, Any] = {"section": "jobs", "job": job, "counts": rollout_counts(job)}
    try:
        context["view"] = read_step(job, asked_step(request.GET.get("step", "")))
    except JobError as error:
        context["error"] = str(error)
    return render(request, "training/rollouts/page.html", context, status=422 if "error" in context else 200)
