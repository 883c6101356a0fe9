"""Files that are attached, before and after the message is sent. One that is never sent goes after a day."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.db.models import Prefetch, prefetch_related_objects
from django.utils import timezone

from accounts.owners import Owner
from playground.core.attachments.context import AttachedText, with_files
from playground.core.attachments.errors import AttachmentError
from playground.core.attachments.reading import check_size, largest_bytes, read_file
from playground.models import Attachment, Message
from tracing.core.errors import InputError

MAX_FILES = 10
MAX_WAITING = 40
KEEP_UNSENT = timedelta(days=1)


def add_attachment(*, owner: Owner, upload: UploadedFile) -> Attachment:
    """Keep the text of a file, to be sent with a message. AttachmentError says why it cannot be."""
    waiting = Attachment.objects.of(owner).filter(messages=None)
    if waiting.count() >= MAX_WAITING:
        raise AttachmentError(
            f"{MAX_WAITING} files wait to be sent with a message, as many as fit. Remove some, or send them."
        )
    name = upload.name or "file"
    check_size(name, upload.size or 0, largest_bytes(name))
    read = read_file(name, upload.read())
    attachment: Attachment = Attachment.objects.create(
        owner=owner.user,
        session_key=owner.session_key,
        name=read.name,
        kind=read.kind,
        language=read.language,
        text=read.text,
        characters=len(read.text),
        pages=read.pages,
        size_bytes=read.size_bytes,
    )
    return attachment


def attach(*, message: Message, ids: Sequence[UUID], owner: Owner) -> None:
    """Have files go with a message. InputError where one is gone, or is not this person's."""
    found = Attachment.objects.of(owner).filter(pk__in=ids)
    if found.count() != len(set(ids)):
        raise InputError("A file that was attached is not there any more. Remove it and attach it again.")
    message.attachments.set(found)


def remove_unsent() -> int:
    """Delete what nobody sent within a day, and what was sent with messages that are gone; says how many."""
    old = Attachment.objects.filter(messages=None, created_at__lt=timezone.now() - KEEP_UNSENT)
    return int(old.delete()[0])


def load_texts(messages: Sequence[Message]) -> None:
    """Read all files of these messages with one query, for `prompt_of`."""
    prefetch_related_objects(messages, "attachments")


def load_names(messages: Sequence[Message]) -> None:
    """Read what a page lists of all files of these messages with one query, without their texts."""
    prefetch_related_objects(messages, Prefetch("attachments", Attachment.objects.defer("text")))


def prompt_of(message: Message) -> str:
    """A person's text as the model is given it: with the files that go with it."""
    files = [AttachedText(file.name, file.text, file.language) for file in message.attachments.all()]
    return with_files(message.raw_text, files)
