"""Flows, jobs and checkpoints in the admin: to look at, to steer, and to start a fine-tune from."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from accounts.audit import Actor
from training.access_rules import admin as access_rules
from training.core.errors import JobError
from training.evaluation_report import badge_words
from training.fine_tuning.acts import log_act, steer_job
from training.jobs import retry_job
from training.models import Checkpoint, Dataset, Evaluation, Flow, Job, TrainedOn
from training.overview import flow_overview, share_of

__all__ = ["access_rules"]


def retried_on_record(job: Job, *, by: Actor) -> bool:
    with transaction.atomic():
        if retried := retry_job(job):
            log_act(job, "retry job", by=by)
    return retried


class ReadOnly:
    """Rows that only services write: looked at here, never typed."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class JobInline(ReadOnly, admin.TabularInline):
    model = Job
    fields = ["stage", "state", "phase", "done", "total", "unit", "error"]
    show_change_link = True
    extra = 0


@admin.register(Flow)
class FlowAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "recipe", "progress", "created_at"]
    search_fields = ["name"]
    inlines = [JobInline]

    @admin.display(description="progress")
    def progress(self, flow: Flow) -> str:
        overview = flow_overview(flow)
        current = overview.current
        return f"{overview.share:.0%}" + (
            f", {current.job.stage} {current.job.get_state_display()}" if current else ""
        )


@admin.register(Job)
class JobAdmin(ReadOnly, admin.ModelAdmin):
    list_display = [
        "__str__",
        "page",
        "state",
        "wanted",
        "progress",
        "phase",
        "attempts",
        "heartbeat",
        "short_error",
    ]
    list_filter = ["state", "flow", "stage"]
    list_select_related = ["flow"]
    actions = ["retry", "pause", "resume", "cancel"]

    @admin.display(description="page")
    def page(self, job: Job) -> str:
        return format_html('<a href="{}">Watch</a>', reverse("job", args=[job.pk]))

    @admin.display(description="progress")
    def progress(self, job: Job) -> str:
        return f"{share_of(job):.0%}"

    @admin.display(description="heartbeat")
    def heartbeat(self, job: Job) -> str:
        return str(naturaltime(job.heartbeat_at)) if job.heartbeat_at else ""

    @admin.display(description="error")
    def short_error(self, job: Job) -> str:
        return job.error[:200]

    @admin.action(description="Try failed jobs again from their last saved state", permissions=["retry"])
    def retry(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        retried = [str(job) for job in jobs if retried_on_record(job, by=Actor.of_request(request))]
        if retried:
            messages.success(request, f"Queued again: {', '.join(retried)}.")
        else:
            messages.warning(request, "None of the chosen jobs had failed; nothing was queued.")

    @admin.action(description="Pause: save the state and free the worker", permissions=["retry"])
    def pause(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self.steer(request, jobs, "pause")

    @admin.action(description="Resume paused or failed jobs", permissions=["retry"])
    def resume(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self.steer(request, jobs, "resume")

    @admin.action(description="Cancel: end for good, what was learned published", permissions=["retry"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self.steer(request, jobs, "cancel")

    def steer(self, request: HttpRequest, jobs: QuerySet[Job], act: str) -> None:
        """Each of the jobs, on record; says which could not."""
        for job in jobs:
            try:
                steer_job(job, act, by=Actor.of_request(request))
            except JobError as error:
                messages.warning(request, f"{error}.")
            else:
                messages.success(request, f"{job}: {job.condition}.")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("training.change_job")


class TrainedOnInline(ReadOnly, admin.TabularInline):
    model = TrainedOn
    extra = 0


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "stage", "step", "steps", "final", "thinking", "scores", "created_at"]
    list_filter = ["stage", "final", "thinking"]
    search_fields = ["name"]
    inlines = [TrainedOnInline]
    actions = ["fine_tune"]

    @admin.action(description="Fine-tune the chosen checkpoint", permissions=["view"])
    def fine_tune(self, request: HttpRequest, checkpoints: QuerySet[Checkpoint]) -> HttpResponse | None:
        if len(checkpoints) != 1:
            messages.warning(request, "Choose one checkpoint to start from.")
            return None
        return redirect(f"{reverse('new-job')}?{urlencode({'parent': checkpoints[0].name})}")


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["checkpoint", "task", "items", "badge", "seconds", "created_at"]
    list_filter = ["task", "checkpoint__stage"]
    list_select_related = ["checkpoint"]

    @admin.display(description="its questions in its data")
    def badge(self, evaluation: Evaluation) -> str:
        return badge_words(evaluation)


@admin.register(Dataset)
class DatasetAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["name", "owner", "format", "rows", "size_bytes", "state", "created_at"]
    list_filter = ["state", "format"]
    list_select_related = ["owner"]
    search_fields = ["name", "digest"]

    def has_delete_permission(self, request: HttpRequest, obj: Dataset | None = None) -> bool:
        """Its page deletes it, with its files."""
        return False
