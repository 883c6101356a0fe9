"""The addresses of /v1/fine_tuning/jobs."""

from itertools import islice
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse

from accounts.audit import Actor
from accounts.authentication import Caller
from accounts.models import User
from playground.database import in_database
from playground.openai.endpoint import Work, read_body
from playground.openai.errors import ApiError
from playground.openai.fine_tuning.bodies import CreateJob
from playground.openai.fine_tuning.objects import EVENT_KINDS, checkpoint_object, event_object, job_object
from playground.openai.fine_tuning.starting import start_job
from playground.openai.listing import check_query, page_of, read_limit
from training.fine_tuning.acts import steer_job
from training.models import Job
from training.past_events import events_before

MOST = 100


async def create_job(request: HttpRequest, caller: Caller) -> JsonResponse:
    body = read_body(request, CreateJob)
    by = Actor.of_request(request, caller.key)
    return JsonResponse(await in_database(lambda: job_object(start_job(body, caller.user, by))))


async def list_jobs(request: HttpRequest, caller: Caller) -> JsonResponse:
    check_query(request, {"after", "limit"})
    return JsonResponse(await in_database(listed, request, caller.user))


async def show_job(request: HttpRequest, caller: Caller, job_id: str) -> JsonResponse:
    return JsonResponse(await in_database(lambda: job_object(own_job(job_id, caller.user))))


async def list_events(request: HttpRequest, caller: Caller, job_id: str) -> JsonResponse:
    check_query(request, {"after", "limit"})
    return JsonResponse(await in_database(events_of, request, caller.user, job_id))


async def list_checkpoints(request: HttpRequest, caller: Caller, job_id: str) -> JsonResponse:
    check_query(request, {"after", "limit"})
    return JsonResponse(await in_database(checkpoints_of, request, caller.user, job_id))


def steer(act: str) -> Work:
    """An address that does something to a job, and answers with it."""

    async def work(request: HttpRequest, caller: Caller, job_id: str) -> JsonResponse:
        by = Actor.of_request(request, caller.key)
        return JsonResponse(
            await in_database(lambda: job_object(steer_job(own_job(job_id, caller.user), act, by=by)))
        )

    return work


cancel, pause, resume = steer("cancel"), steer("pause"), steer("resume")


def own_jobs(user: User) -> QuerySet[Job]:
    rows = Job.objects.filter(owner=user, parent__isnull=False).order_by("-pk")
    return rows.select_related("flow", "parent", "dataset", "validation").prefetch_related("checkpoints")


def own_job(job_id: str, user: User, param: str = "fine_tuning_job_id") -> Job:
    """The caller's own job; someone else's does not exist for them."""
    number = number_in(job_id, "ftjob")
    job = own_jobs(user).filter(pk=number).first() if number is not None else None
    if job is None:
        message = f"Could not find fine tune: {job_id!r:.80}."
        raise ApiError(404, message, code="fine_tune_not_found", param=param)
    return job


def number_in(text: str, kind: str) -> int | None:
    """The number of an id such as ftjob-12."""
    prefix, _, digits = text.rpartition("-")
    return (
        int(digits) if prefix == kind and digits.isascii() and digits.isdigit() and len(digits) < 18 else None
    )


def listed(request: HttpRequest, user: User) -> dict[str, Any]:
    limit, rows = read_limit(request, default=20, most=MOST), own_jobs(user)
    if after := request.GET.get("after"):
        rows = rows.filter(pk__lt=own_job(after, user, "after").pk)
    return page_of(list(rows[: limit + 1]), limit, job_object)


def events_of(request: HttpRequest, user: User, job_id: str) -> dict[str, Any]:
    """The newest first."""
    job, limit = own_job(job_id, user), read_limit(request, default=20, most=MOST)
    before = cursor(request, f"ftevent-{job.pk}")
    found = events_before(job.directory / "events.jsonl", before, EVENT_KINDS)
    return page_of(list(islice(found, limit + 1)), limit, lambda place: event_object(job, place))


def checkpoints_of(request: HttpRequest, user: User, job_id: str) -> dict[str, Any]:
    """The newest first."""
    job, limit = own_job(job_id, user), read_limit(request, default=10, most=MOST)
    rows = job.checkpoints.order_by("-pk")
    before = cursor(request, "ftckpt")
    rows = rows if before is None else rows.filter(pk__lt=before)
    return page_of(list(rows[: limit + 1]), limit, checkpoint_object)


def cursor(request: HttpRequest, kind: str) -> int | None:
    """The number in the `after` of a list of such ids; ApiError for another id."""
    after = request.GET.get("after")
    number = number_in(after, kind) if after else None
    if after and number is None:
        raise ApiError(400, f"after is the id of an object of this list, not {after!r:.80}.", param="after")
    return number
