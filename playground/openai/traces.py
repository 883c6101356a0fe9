"""POST /v1/traces: where a text, token ids or one of the caller's own answers come from."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from accounts.authentication import Caller
from accounts.models import User
from playground.database import while_wanted
from playground.models import Message, Role
from playground.openai.endpoint import read_body
from playground.openai.errors import ApiError
from playground.openai.models import find_checkpoint
from playground.openai.schemas import TraceBody
from training.traces import trace_checkpoint


async def make_trace(request: HttpRequest, caller: Caller) -> JsonResponse:
    body = read_body(request, TraceBody)
    return JsonResponse(await while_wanted(traced, body, caller.user))


def traced(body: TraceBody, user: User) -> dict[str, Any]:
    subject: dict[str, Any] = {"text": body.text, "token_ids": body.token_ids}
    message = own_message(body, user) if body.message else None
    if message is not None:
        subject = message_subject(message)
    if body.model is not None:
        checkpoint = find_checkpoint(body.model)
    elif message is not None and message.checkpoint is not None:
        checkpoint = message.checkpoint
    else:
        raise ApiError(400, "No model wrote this message: name the model to trace it to.", param="model")
    return trace_checkpoint(checkpoint, **subject, **body.options())


def own_message(body: TraceBody, user: User) -> Message:
    """The caller's own message; someone else's does not exist for them."""
    messages = Message.objects.select_related("checkpoint").filter(thread__owner=user)
    message = messages.filter(pk=body.message).first()
    if message is None:
        raise ApiError(404, f"You have no message {body.message}.", code="message_not_found", param="message")
    return message


def message_subject(message: Message) -> dict[str, Any]:
    """An answer's own ids, with the prompt that it answers; any other message's text."""
    if not message.token_ids:
        return {"text": message.raw_text}
    before = Message.objects.filter(thread=message.thread_id, position__lt=message.position, role=Role.USER)
    prompt = before.order_by("-position").values_list("raw_text", flat=True).first()
    return {"token_ids": message.token_ids, "prompt": prompt or ""}
