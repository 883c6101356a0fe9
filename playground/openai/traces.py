"""/v1/traces: where a text, token ids or one of the caller's own answers come from; shared by links."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse

from accounts.authentication import Caller
from accounts.models import User
from accounts.owners import Owner
from playground.chat.branches import prompt_before
from playground.database import in_database, while_wanted
from playground.models import Message
from playground.openai.endpoint import read_body
from playground.openai.errors import ApiError
from playground.openai.models import find_checkpoint
from playground.openai.schemas import ShareBody, TraceBody
from tracing.kept import find_kept, keep_trace
from tracing.models import KeptTrace
from tracing.sharing import revoke_shares, share_trace
from tracing.withholding.hiding import hide_withheld
from training.traces import trace_checkpoint


async def make_trace(request: HttpRequest, caller: Caller) -> JsonResponse:
    body = read_body(request, TraceBody)
    trace = await while_wanted(traced, body, caller.user)
    if body.store:
        kept = await in_database(keep_trace, owner=Owner(caller.user), trace=trace)
        trace |= {"id": kept.public_id}
    return JsonResponse(trace)


async def show_trace(request: HttpRequest, caller: Caller, public_id: str) -> JsonResponse:
    """GET /v1/traces/ID: as it was made, without what is withheld now."""
    kept = await in_database(own_trace, public_id, caller.user)
    return JsonResponse(await in_database(hide_withheld, kept.content))


async def make_link(request: HttpRequest, caller: Caller, public_id: str) -> JsonResponse:
    """POST /v1/traces/ID/share: the trace's link, made or given another end."""
    body = read_body(request, ShareBody) if request.body else ShareBody()
    kept = await in_database(own_trace, public_id, caller.user)
    expires_in = timedelta(seconds=body.expires_in_s) if body.expires_in_s is not None else None
    share = await in_database(share_trace, trace=kept, expires_in=expires_in)
    path = reverse("shared-trace", args=[share.token])
    return JsonResponse(
        {
            "object": "trace.share",
            "trace": kept.public_id,
            "url": request.build_absolute_uri(path),
            "created": int(share.created_at.timestamp()),
            "expires_at": int(share.expires_at.timestamp()) if share.expires_at else None,
        }
    )


async def end_link(request: HttpRequest, caller: Caller, public_id: str) -> JsonResponse:
    """DELETE /v1/traces/ID/share: its link leads nowhere from now on."""
    kept = await in_database(own_trace, public_id, caller.user)
    revoked = await in_database(revoke_shares, trace=kept)
    return JsonResponse({"object": "trace.share.deleted", "trace": kept.public_id, "deleted": bool(revoked)})


def own_trace(public_id: str, user: User) -> KeptTrace:
    """The caller's own kept trace; someone else's does not exist for them."""
    kept = find_kept(owner=Owner(user), public_id=public_id)
    if kept is None:
        raise ApiError(404, f"You have no trace {public_id!r:.80}.", code="trace_not_found", param="id")
    return kept


def traced(body: TraceBody, user: User) -> dict[str, Any]:
    subject: dict[str, Any] = {"text": body.text, "token_ids": body.token_ids}
    message = own_message(body, user) if body.message else None
    if message is not None:
        subject = message_subject(message)
    if body.model is not None:
        checkpoint = find_checkpoint(body.model, user)
    elif message is not None and message.checkpoint is not None:
        checkpoint = message.checkpoint
    else:
        raise ApiError(400, "No model wrote this message: name the model to trace it to.", param="model")
    return trace_checkpoint(checkpoint, **subject, **body.options())


def own_message(body: TraceBody, user: User) -> Message:
    """The caller's own message; someone else's does not exist for them."""
    messages = Message.objects.select_related("checkpoint").filter(
        thread__owner=user, thread__deleted_at=None
    )
    message = messages.filter(pk=body.message).first()
    if message is None:
        raise ApiError(404, f"You have no message {body.message}.", code="message_not_found", param="message")
    return message


def message_subject(message: Message) -> dict[str, Any]:
    """An answer's own ids, with the prompt that it answers; any other message's text."""
    if not message.token_ids:
        return {"text": message.raw_text}
    return {"token_ids": message.token_ids, "prompt": prompt_before(message)}
