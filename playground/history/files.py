"""Chats written to files, and read from them."""

from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from accounts.models import User
from accounts.owners import Owner
from playground.attachments.services import load_names
from playground.chat.branches import ids_to, leaf_of, links_of, messages_of, newest_below
from playground.chat.threads import title_of
from playground.core.answering import AnswerParameters
from playground.core.chat_files.as_json import read_json, write_json
from playground.core.chat_files.as_markdown import read_markdown, write_markdown
from playground.core.chat_files.chat import ChatFile, ChatFileError, FileMessage, FileNote
from playground.core.errors import GenerationError
from playground.models import Message, MessageState, Role, Thread
from playground.tools.keeping import bring_calls, calls_told, load_calls
from tracing.core.errors import TracingError
from tracing.core.text.tokenizer import TextTokenizer
from tracing.withholding.hiding import hide_withheld
from training.access import checkpoints_for
from training.models import Checkpoint

FILE_BYTES_MAX = 20 * 1024 * 1024


def exported_json(thread: Thread, *, traces: bool = False) -> str:
    """All branches of a thread; with `traces` the answers' traces too, without what is withheld by now."""
    links = links_of(thread.pk)
    messages = with_all_told(messages_of(list(links)))
    leaf = leaf_of(thread, links)
    chat = ChatFile(
        title=thread.title,
        messages=[file_message(message) for message in messages],
        shown=str(leaf) if leaf else None,
    )
    if not traces:
        return write_json(chat)
    kept = {str(message.pk): hide_withheld(message.trace) for message in messages if message.trace}
    return write_json(chat, traces=kept)


def exported_markdown(thread: Thread, *, at: UUID | None = None) -> str:
    """The path that a thread shows, or the newest one through the message `at`."""
    links = links_of(thread.pk)
    leaf = newest_below(at, links) if at in links else leaf_of(thread, links)
    messages = with_all_told(messages_of(ids_to(leaf, links)))
    return write_markdown(thread.title, [file_message(message) for message in messages])


def with_all_told(messages: list[Message]) -> list[Message]:
    """The messages, with what `file_message` tells of each read by a query for all of them."""
    load_names(messages)
    load_calls(messages)
    return messages


def file_message(message: Message) -> FileMessage:
    """An answer still being written is exported as it is now, as interrupted."""
    is_writing = message.state == MessageState.WRITING
    return FileMessage(
        id=str(message.pk),
        parent=str(message.parent_id) if message.parent_id else None,
        role=message.role,
        text=message.raw_text,
        model=message.checkpoint.name if message.checkpoint else "",
        state="interrupted" if is_writing else message.state,
        finish_reason=message.finish_reason,
        parameters=message.parameters,
        token_ids=message.token_ids,
        thinking_s=message.thinking_s,
        files=[
            FileNote(name=file.name, characters=file.characters, pages=file.pages)
            for file in message.attachments.all()
        ],
        calls=calls_told(message),
        created_at=message.created_at,
    )


def read_chat(content: bytes, *, name: str) -> ChatFile:
    """A chat from an uploaded file: JSON where its name or its beginning says so, Markdown otherwise.

    Raises ChatFileError.
    """
    if len(content) > FILE_BYTES_MAX:
        size = f"{len(content) / 2**20:.0f} MiB"
        raise ChatFileError(f"The file has {size}; at most {FILE_BYTES_MAX // 2**20} MiB can be imported.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ChatFileError("The file is no UTF-8 text: save it as such.") from error
    is_json = name.lower().endswith(".json") or text.lstrip()[:1] in {"{", "["}
    return read_json(text) if is_json else read_markdown(text)


@transaction.atomic
def import_chat(*, owner: Owner, chat: ChatFile) -> Thread:
    """A new thread with the chat's messages, marked as imported: nobody here saw a model write them.

    Models are those of the same name that the owner may talk to. Token ids stay where they spell the text.
    """
    models = checkpoints_by_name(owner.user, {message.model for message in chat.messages})
    thread = Thread.objects.create(
        owner=owner.user,
        session_key=owner.session_key,
        title=title_of(chat.title or chat.messages[0].text),
    )
    made: dict[str, Message] = {}
    for message in chat.messages:
        made[message.id] = import_message(thread, message, made.get(message.parent or ""), models)
    thread.leaf = made[chat.shown or chat.messages[-1].id]
    thread.save(update_fields=["leaf"])
    return thread


def import_message(
    thread: Thread, message: FileMessage, parent: Message | None, models: dict[str, Checkpoint]
) -> Message:
    is_answer = message.role == Role.ASSISTANT
    checkpoint = models.get(message.model) if is_answer else None
    made = Message.objects.create(
        pk=uuid4(),
        thread=thread,
        parent=parent,
        position=parent.position + 1 if parent else 0,
        role=message.role,
        state=message.state if is_answer else MessageState.COMPLETE,
        raw_text=message.text,
        token_ids=spelling(message, checkpoint),
        checkpoint=checkpoint,
        parameters=allowed(message.parameters) if is_answer else {},
        finish_reason=message.finish_reason,
        thinking_s=message.thinking_s,
        imported=True,
    )
    bring_calls(made, message.calls)
    return made


def checkpoints_by_name(user: User | None, names: set[str]) -> dict[str, Checkpoint]:
    known = {name for name in names if name and "\0" not in name}
    return {checkpoint.name: checkpoint for checkpoint in checkpoints_for(user).filter(name__in=known)}


def spelling(message: FileMessage, checkpoint: Checkpoint | None) -> list[int]:
    """The token ids, where they are the model's for exactly this text; none otherwise."""
    if checkpoint is None or not message.token_ids:
        return []
    try:
        spelt = tokenizer_of(checkpoint.path, checkpoint.digest).decode(message.token_ids)[0]
    except (TracingError, OSError, ValueError, OverflowError):
        return []
    return message.token_ids if spelt == message.text else []


@lru_cache(maxsize=4)
def tokenizer_of(directory: Path, digest: str) -> TextTokenizer:
    """A checkpoint's tokenizer, kept for the messages that follow; `digest` tells two of one name apart."""
    return TextTokenizer.open(directory)


def allowed(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters, where an answer could be asked for with them; none otherwise."""
    try:
        return AnswerParameters.from_dict(parameters).to_dict()
    except (GenerationError, TypeError, ValueError):
        return {}
