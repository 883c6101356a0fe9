"""Flows, jobs and checkpoints in the admin: to look at, and to try a failed job again."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db.models import QuerySet
from django.http import HttpRequest

from training.evaluation_report import badge_words
from training.jobs import retry_job
from training.models import Checkpoint, Evaluation, Flow, Job, TrainedOn
from training.overview import flow_overview, share_of


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
    list_display = ["__str__", "state", "progress", "phase", "attempts", "heartbeat", "short_error"]
    list_filter = ["state", "flow", "stage"]
    list_select_related = ["flow"]
    actions = ["retry"]

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
        retried = [str(job) for job in jobs if retry_job(job)]
        if retried:
            messages.success(request, f"Queued again: {', '.join(retried)}.")
        else:
            messages.warning(request, "None of the chosen jobs had failed; nothing was queued.")

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


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["checkpoint", "task", "items", "badge", "seconds", "created_at"]
    list_filter = ["task", "checkpoint__stage"]
    list_select_related = ["checkpoint"]

    @admin.display(description="its questions in its data")
    def badge(self, evaluation: Evaluation) -> str:
        return badge_words(evaluation)
