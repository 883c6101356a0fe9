"""Data sets that are made of rated chats."""

import json
import tempfile

from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor, record_act
from accounts.models import User
from playground.ratings.models import Opinion, RatedRow
from playground.ratings.rows import RatedChat, rated_chats
from tracing.core.errors import InputError
from training.datasets.services import upload_dataset
from training.models import Dataset

ROWS_MAX = 100_000
SPOOL_BYTES = 8 * 2**20
"""Kept in memory before a file takes it."""


def make_dataset(*, owner: User, format: str, licence: str, by: Actor) -> Dataset:
    """A data set of every rated chat that can be a row of this format now, checked as any upload is.

    Each row is noted with the consent that it rests on. Raises InputError where there is none, DatasetError
    as uploads do.
    """
    chats = list[RatedChat]()
    name = f"ratings-{format}-{timezone.now():%Y-%m-%d}.jsonl"
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as file:
        for chat in rated_chats(format):
            file.write(json.dumps(chat.row, ensure_ascii=False).encode() + b"\n")
            chats.append(chat)
            if len(chats) >= ROWS_MAX:
                break
        if not chats:
            raise InputError(
                "No rated chat can be a row yet: its owner must have rated an answer, and agreed that it is "
                "learned from."
            )
        file.seek(0)
        return keep_dataset(file, chats, owner=owner, name=name, licence=licence, by=by)


def keep_dataset(
    file: tempfile.SpooledTemporaryFile[bytes],
    chats: list[RatedChat],
    *,
    owner: User,
    name: str,
    licence: str,
    by: Actor,
) -> Dataset:
    """The data set and whose rows it has, both or neither."""
    dataset: Dataset | None = None
    try:
        with transaction.atomic():
            dataset = upload_dataset(owner=owner, file=file, name=name, licence=licence, by=by)
            RatedRow.objects.bulk_create(rows_of(dataset, chats), batch_size=500)
            record_act(
                by=by,
                action="make data set of ratings",
                object_type="data set",
                object_id=dataset.public_id,
                label=name,
                detail={"rows": len(chats), "chats": len({chat.thread.pk for chat in chats})},
            )
            return dataset
    except BaseException:
        if dataset is not None:
            dataset.path.unlink(missing_ok=True)
        raise


def rows_of(dataset: Dataset, chats: list[RatedChat]) -> list[RatedRow]:
    return [
        RatedRow(
            dataset=dataset.pk,
            line=line,
            opinion=Opinion.UP,
            rated_at=chat.rated_at,
            consented_at=chat.consented_at,
            thread=chat.thread,
        )
        for line, chat in enumerate(chats, 1)
    ]
