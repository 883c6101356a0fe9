"""The request to /v1 that gives an answer of a chat, or the next one."""

from collections.abc import Sequence

from django.http import HttpRequest

from playground.attachments.services import load_texts
from playground.chat.branches import path_of
from playground.chat.forms import MessageForm
from playground.chat.history import Turn, conversation, template_options, visible_text
from playground.composer.bounds import bounds_of
from playground.core.answering import AnswerParameters
from playground.core.attachments.context import AttachedText, with_files
from playground.core.request_code import ChatCall
from playground.models import Attachment, Message, Thread


def call_of_answer(request: HttpRequest, answer: Message) -> ChatCall:
    """What was asked when an answer was written: the turns that its model was given."""
    turns, _ = conversation(answer)
    return ChatCall(
        base_url=base_url(request),
        model=answer.checkpoint.name if answer.checkpoint else "",
        messages=turns,
        parameters=AnswerParameters.from_dict(answer.parameters),
        template_options=template_options(answer),
    )


def call_of_draft(request: HttpRequest, form: MessageForm, thread: Thread | None) -> ChatCall:
    """What would be asked if the composer were sent now. `form` is valid."""
    prompt = form.prompt()
    parameters = AnswerParameters.from_dict(prompt.parameters)
    files = Attachment.objects.of_browser(request).filter(pk__in=prompt.attachments)
    texts = [AttachedText(file.name, file.text, file.language) for file in files]
    system = [{"role": "system", "content": parameters.system}] if parameters.system else []
    question = {"role": "user", "content": with_files(prompt.text, texts)}
    return ChatCall(
        base_url=base_url(request),
        model=prompt.checkpoint.name,
        messages=[*system, *turns_of(path_of(thread) if thread else []), question],
        parameters=parameters,
        template_options=bounds_of(prompt.checkpoint).controls.options(
            parameters.thinking, parameters.effort
        ),
    )


def turns_of(messages: Sequence[Message]) -> list[Turn]:
    load_texts(messages)
    turns = [{"role": message.role, "content": visible_text(message)} for message in messages]
    return [turn for turn in turns if turn["content"]]


def base_url(request: HttpRequest) -> str:
    return request.build_absolute_uri("/v1")
