"""/v1/files: uploads to learn from. Each is a data set, with its report on /datasets/."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.multipartparser import MultiPartParserError

from accounts.audit import Actor
from accounts.authentication import Caller
from accounts.models import User
from playground.database import in_database
from playground.openai.errors import ApiError
from playground.openai.listing import check_query, page_of, read_limit
from training.datasets.models import Dataset, DatasetState
from training.datasets.services import delete_dataset, find_dataset, upload_dataset

PURPOSE = "fine-tune"
CHUNK_BYTES = 1 << 18
STATUS = {DatasetState.READY: "processed", DatasetState.FAULTY: "error", DatasetState.FAILED: "error"}
PROBLEMS_SHOWN = 5


async def create_file(request: HttpRequest, caller: Caller) -> JsonResponse:
    """POST /v1/files: multipart, with `file` and the purpose fine-tune."""
    return JsonResponse(await in_database(created, request, caller))


async def list_files(request: HttpRequest, caller: Caller) -> JsonResponse:
    check_query(request, {"after", "limit", "order", "purpose"})
    return JsonResponse(await in_database(listed, request, caller.user))


async def show_file(request: HttpRequest, caller: Caller, file_id: str) -> JsonResponse:
    return JsonResponse(file_object(await in_database(own_file, file_id, caller.user)))


async def delete_file(request: HttpRequest, caller: Caller, file_id: str) -> JsonResponse:
    dataset = await in_database(own_file, file_id, caller.user)
    shown = dataset.public_id
    await in_database(delete_dataset, dataset=dataset, by=Actor.of_request(request, caller.key))
    return JsonResponse({"id": shown, "object": "file", "deleted": True})


async def show_content(request: HttpRequest, caller: Caller, file_id: str) -> StreamingHttpResponse:
    """The bytes as they were uploaded, for programs: a browser keeps them as a file."""
    dataset = await in_database(own_file, file_id, caller.user)
    if not dataset.path.is_file():
        raise ApiError(404, f"The content of {dataset.public_id} is gone: upload it again.", param="id")
    response = StreamingHttpResponse(content_of(dataset), content_type="application/octet-stream")
    response["Content-Length"] = str(dataset.size_bytes)
    response["Content-Disposition"] = f'attachment; filename="{dataset.public_id}.jsonl"'
    return response


async def content_of(dataset: Dataset) -> AsyncIterator[bytes]:
    with dataset.path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


def created(request: HttpRequest, caller: Caller) -> dict[str, Any]:
    try:
        fields, files = request.POST, request.FILES
    except (MultiPartParserError, TooManyFilesSent, TooManyFieldsSent, RequestDataTooBig) as error:
        raise ApiError(400, f"The form cannot be read: {error}.") from error
    if fields.get("purpose") != PURPOSE:
        raise ApiError(400, f"purpose has to be {PURPOSE!r}: files serve no other here.", param="purpose")
    for name in set(fields) - {"purpose"}:
        raise ApiError(
            400, f"Unrecognized request argument: {name[:60]}.", code="unknown_parameter", param=name[:60]
        )
    file = files.get("file")
    if not isinstance(file, UploadedFile):
        raise ApiError(400, "file is missing: send one as multipart/form-data.", param="file")
    by = Actor.of_request(request, caller.key)
    return file_object(upload_dataset(owner=caller.user, file=file, name=file.name or "", by=by))


def listed(request: HttpRequest, user: User) -> dict[str, Any]:
    """The caller's own, the newest first unless asked for otherwise."""
    limit, order = read_limit(request, default=1000, most=1000), request.GET.get("order", "desc")
    if order not in ("asc", "desc"):
        raise ApiError(400, "order is asc or desc.", param="order")
    rows = Dataset.objects.filter(owner=user)
    if request.GET.get("purpose", PURPOSE) != PURPOSE:
        rows = rows.none()
    newest = order == "desc"
    if after := request.GET.get("after"):
        last = own_file(after, user)
        side = "lt" if newest else "gt"
        same_time = Q(created_at=last.created_at, **{f"pk__{side}": last.pk})
        rows = rows.filter(Q(**{f"created_at__{side}": last.created_at}) | same_time)
    rows = rows.order_by(*(["-created_at", "-pk"] if newest else ["created_at", "pk"]))
    return page_of(list(rows[: limit + 1]), limit, file_object)


def own_file(file_id: str, user: User, param: str = "id") -> Dataset:
    """The caller's own file; someone else's does not exist for them."""
    dataset = find_dataset(owner=user, public_id=file_id) if file_id.startswith("file-") else None
    if dataset is None:
        raise ApiError(404, f"No such File object: {file_id!r:.80}.", param=param)
    return dataset


def file_object(dataset: Dataset) -> dict[str, Any]:
    """OpenAI's fields, then ours."""
    return {
        "id": dataset.public_id,
        "object": "file",
        "bytes": dataset.size_bytes,
        "created_at": int(dataset.created_at.timestamp()),
        "expires_at": None,
        "filename": dataset.name,
        "purpose": PURPOSE,
        "status": STATUS.get(DatasetState(dataset.state), "uploaded"),
        "status_details": details(dataset),
        "format": dataset.format or None,
        "rows": dataset.rows,
        "digest": dataset.digest,
    }


def details(dataset: Dataset) -> str | None:
    """Why it cannot be used: the first bad rows by their lines."""
    if dataset.state not in (DatasetState.FAULTY, DatasetState.FAILED):
        return None
    problems = dataset.report.get("problems", {})
    listed = [f"line {one['line']}: {one['message']}" for one in problems.get("listed", [])[:PROBLEMS_SHOWN]]
    bad = sum(problems.get("counts", {}).values())
    rest = [f"and {bad - len(listed):,} more"] if bad > len(listed) else []
    return "; ".join([*([dataset.error] if dataset.error else []), *listed, *rest])
