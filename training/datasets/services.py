"""What pages, programs and jobs ask of data sets."""

import uuid
from collections.abc import Iterator
from itertools import islice
from typing import IO

from django.db import transaction

from accounts.audit import Actor, record_act
from accounts.models import User
from tracing.models import Store
from tracing.services import register_store
from training.core.datasets.checking import good_rows
from training.core.datasets.rows import Row
from training.core.errors import DatasetError
from training.core.verifiers.verifiers import Verifiers
from training.datasets.leftovers import remove_unregistered_stores
from training.datasets.measuring import make_store
from training.datasets.models import Dataset, DatasetState
from training.datasets.upload import receive, shown_name
from training.datasets.work import enqueue
from training.evaluations import configured_judge
from training.models import Checkpoint

DATASETS_MAX = 1000
"""That one person may have at a time."""
LICENCE_CHARACTERS_MAX = 200


def upload_dataset(
    *, owner: User, file: IO[bytes], name: str, licence: str = "", by: Actor | None = None
) -> Dataset:
    """Keep an upload under a name of ours, and have it checked. Raises DatasetError."""
    if Dataset.objects.filter(owner=owner).count() >= DATASETS_MAX:
        raise DatasetError(f"you have {DATASETS_MAX:,} data sets already: delete some first")
    licence = shown_name(licence)[:LICENCE_CHARACTERS_MAX] if licence.strip() else ""
    dataset = Dataset(pk=uuid.uuid4(), owner=owner, name=shown_name(name), licence=licence)
    received = receive(file, dataset.path)
    dataset.size_bytes, dataset.digest = received.size_bytes, received.digest
    try:
        with transaction.atomic():
            dataset.save(force_insert=True)
            log_act(dataset, "upload data set", by)
            enqueue(dataset)
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


def leave_out_bad_rows(*, dataset: Dataset, by: Actor | None = None) -> None:
    """Make a data set with bad rows ready, without them. Raises DatasetError where it has none, or no good
    ones."""
    with transaction.atomic():
        faulty = Dataset.objects.filter(pk=dataset.pk, state=DatasetState.FAULTY)
        if not faulty.update(state=DatasetState.READY):
            raise DatasetError(f"{dataset.name} has no bad rows that could be left out")
        log_act(dataset, "leave bad rows out", by)
    dataset.refresh_from_db()


def ask_measure(*, dataset: Dataset, checkpoint: Checkpoint) -> None:
    """Have it counted in the checkpoint's tokens by a worker. Raises DatasetError unless it is ready."""
    check_ready(dataset)
    with transaction.atomic():
        Dataset.objects.filter(pk=dataset.pk).update(measuring=checkpoint, error="")
        enqueue(dataset)
    dataset.refresh_from_db()


def ready_store(*, dataset: Dataset, checkpoint: Checkpoint) -> Store:
    """The registered token store of the data set in the checkpoint's tokenizer, made once.

    Raises DatasetError unless the data set is ready, TracingError where the disk refuses.
    """
    check_ready(dataset)
    store = register_store(make_store(dataset, checkpoint))
    Dataset.objects.filter(pk=dataset.pk).update(store=store, tokens=store.tokens)
    dataset.store, dataset.tokens = store, store.tokens
    return store


def check_ready(dataset: Dataset) -> None:
    """Raises DatasetError with what is in the way."""
    reasons = {
        DatasetState.WAITING: "is still waiting to be checked: wait until it is ready",
        DatasetState.CHECKING: "is still being checked: wait until it is ready",
        DatasetState.FAULTY: "has rows that cannot be used: leave them out, or correct the file",
        DatasetState.FAILED: f"cannot be used: {dataset.error}",
    }
    if not dataset.is_ready:
        raise DatasetError(f"the data set {dataset.name} {reasons[DatasetState(dataset.state)]}")


def delete_dataset(*, dataset: Dataset, by: Actor | None = None) -> None:
    """Remove the upload and what is known of it. A token store that was registered stays, since checkpoints
    may have been trained on it, and their answers are traced to it."""
    path = dataset.path
    with transaction.atomic():
        log_act(dataset, "delete data set", by)
        key = dataset.pk
        dataset.delete()
    dataset.pk = key  # which Django takes away
    path.unlink(missing_ok=True)
    remove_unregistered_stores(dataset)


def preview_rows(dataset: Dataset, start: int, count: int) -> list[tuple[int, Row]]:
    """Some of its good rows, each with its line, from the `start`-th on, counted from 0."""
    return list(islice(rows_of(dataset), start, start + count))


def rows_of(dataset: Dataset) -> Iterator[tuple[int, Row]]:
    with Verifiers(judge=configured_judge()) as verifiers:
        yield from good_rows(dataset.path, dataset.format, verifiers)


def log_act(dataset: Dataset, action: str, by: Actor | None) -> None:
    by = by or Actor(dataset.owner.get_username(), dataset.owner)
    detail = {"digest": dataset.digest, "size_bytes": dataset.size_bytes}
    record_act(
        by=by,
        action=action,
        object_type="data set",
        object_id=dataset.public_id,
        label=dataset.name,
        detail=detail,
    )
