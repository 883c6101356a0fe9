"""What pages, programs and jobs ask of data sets."""

import uuid
from typing import IO

from django.db import transaction

from accounts.models import User
from training.core.errors import DatasetError
from training.datasets.models import Dataset
from training.datasets.upload import receive, shown_name

__all__ = ["find_dataset", "upload_dataset"]

DATASETS_MAX = 1000
"""That one person may have at a time."""


def upload_dataset(*, owner: User, file: IO[bytes], name: str) -> Dataset:
    """Keep an upload under a name of ours, and have it checked. Raises DatasetError."""
    if Dataset.objects.filter(owner=owner).count() >= DATASETS_MAX:
        raise DatasetError(f"you have {DATASETS_MAX:,} data sets already: delete some first")
    dataset = Dataset(pk=uuid.uuid4(), owner=owner, name=shown_name(name))
    received = receive(file, dataset.path)
    dataset.size_bytes, dataset.digest = received.size_bytes, received.digest
    try:
        with transaction.atomic():
            dataset.save(force_insert=True)
    except BaseException:
        dataset.path.unlink(missing_ok=True)
        raise
    return dataset


def find_dataset(*, owner: User, public_id: str) -> Dataset | None:
    """The owner's data set of that id, as a UUID or as /v1 writes it; None where they have no such."""
    try:
        key = uuid.UUID(public_id.removeprefix("file-"))
    except ValueError:
        return None
    return Dataset.objects.filter(pk=key, owner=owner).first()
