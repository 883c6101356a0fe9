"""The life of a check: a data set waits, one worker takes it, and another does when that one is gone.

Every change is one conditional UPDATE by the name of the attempt, as with jobs, so that a worker which lost
its data set changes nothing.
"""

import logging
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnreachable

from training import workers
from training.datasets.models import Dataset, DatasetState

log = logging.getLogger(__name__)

HEARTBEAT_STALE = timedelta(seconds=60)
MESSAGE_LOST = timedelta(seconds=60)
ATTEMPTS_MAX = 3
GONE = "The worker that checked it stopped three times: the file may be too much for this machine."


class LostDataset(Exception):
    """The data set is no longer this attempt's, or was deleted."""


def enqueue(dataset: Dataset) -> None:
    """Has a worker take it once the transaction commits."""
    Dataset.objects.filter(pk=dataset.pk).update(enqueued_at=timezone.now())
    transaction.on_commit(partial(send, str(dataset.pk)))


def send(key: str) -> None:
    """Sends the message. Without a broker the data set waits, and is found later."""
    from training.tasks import work_on_dataset

    try:
        work_on_dataset.delay(key)
    except BrokerUnreachable as error:
        log.warning("data set %s waits: Redis does not answer (%s)", key, error)


def claim(key: str) -> Dataset | None:
    """Takes a data set that has something to be done, or None where there is nothing or another has it."""
    worker = workers.new_name()
    taken = (
        Dataset.objects.unfinished()
        .filter(pk=key, worker="")
        .update(worker=worker, heartbeat_at=timezone.now(), attempts=F("attempts") + 1)
    )
    return Dataset.objects.select_related("measuring").get(pk=key) if taken else None


def change(dataset: Dataset, **fields: object) -> None:
    """Writes fields, and a heartbeat, of a data set that this attempt holds. Raises LostDataset."""
    fields |= {"heartbeat_at": timezone.now()}
    if not Dataset.objects.held_by(dataset.worker).filter(pk=dataset.pk).update(**fields):
        raise LostDataset(f"{dataset} is no longer held by {dataset.worker}")
    for name, value in fields.items():
        setattr(dataset, name, value)


def release(dataset: Dataset) -> None:
    """Lets go of a data set that all was done for; what was asked meanwhile is sent again."""
    held = Dataset.objects.held_by(dataset.worker).filter(pk=dataset.pk)
    held.update(worker="", heartbeat_at=None, attempts=0)
    if Dataset.objects.unfinished().filter(pk=dataset.pk).exists():
        enqueue(dataset)


def recover_datasets() -> list[Dataset]:
    """Has the work of dead workers taken up again, and lost messages sent again; says which."""
    found = [dataset for dataset in Dataset.objects.exclude(worker="") if recover(dataset)]
    overdue = Q(enqueued_at=None) | Q(enqueued_at__lt=timezone.now() - MESSAGE_LOST)
    lost = list(Dataset.objects.unfinished().filter(overdue, worker=""))
    for dataset in lost:
        enqueue(dataset)
    return found + lost


def recover(dataset: Dataset) -> bool:
    """Takes a data set from a worker that is gone; after three of them it is given up."""
    silent = dataset.heartbeat_at is None or dataset.heartbeat_at < timezone.now() - HEARTBEAT_STALE
    if not silent and not workers.is_dead(dataset.worker):
        return False
    held = Dataset.objects.held_by(dataset.worker).filter(pk=dataset.pk)
    fields: dict[str, object] = {"worker": "", "heartbeat_at": None}
    if dataset.attempts >= ATTEMPTS_MAX:
        checking = dataset.state in (DatasetState.WAITING, DatasetState.CHECKING)
        given_up = {"state": DatasetState.FAILED} if checking else {}
        fields |= {"attempts": 0, "measuring": None, "error": GONE, **given_up}
    if not held.update(**fields):
        return False
    log.warning("%s: worker %s is gone", dataset, dataset.worker)
    if dataset.attempts < ATTEMPTS_MAX:
        enqueue(dataset)
    return True
