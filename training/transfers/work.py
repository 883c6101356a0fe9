"""What a worker does with a transfer: one takes it, tells how far it is, and settles it; another takes what a
dead one left."""

import logging
import time
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerUnreachable

from accounts.audit import Actor
from tracing.core.errors import TracingError
from training import workers
from training.core.errors import TrainingError
from training.core.run import message
from training.exchange.exporting import export_model
from training.exchange.importing import import_model
from training.exchange.merging import merge_adapter
from training.heartbeats import beating
from training.models import Checkpoint
from training.transfers.folders import offered_folder
from training.transfers.models import Transfer, TransferKind, TransferState
from training.verification import without_home

log = logging.getLogger(__name__)

TELL_S = 0.5
HEARTBEAT_STALE = timedelta(seconds=60)
MESSAGE_LOST = timedelta(seconds=60)
ATTEMPTS_MAX = 3
GONE = "The worker that did it stopped three times: it may be too much for this machine."


class LostTransfer(Exception):
    """The transfer is no longer this attempt's."""


def enqueue(transfer: Transfer) -> None:
    """Has a worker take it once the transaction commits."""
    Transfer.objects.filter(pk=transfer.pk).update(enqueued_at=timezone.now())
    transaction.on_commit(partial(send, transfer.pk))


def send(pk: int) -> None:
    """Sends the message. Without a broker the transfer waits, and is found later."""
    from training.tasks import work_on_transfer

    try:
        work_on_transfer.delay(pk)
    except BrokerUnreachable as error:
        log.warning("transfer %d waits: Redis does not answer (%s)", pk, error)


def work_on(pk: int) -> None:
    """Does it, unless another worker is at it."""
    transfer = claim(pk)
    if transfer is None:
        return
    try:
        with beating(Transfer.objects.held_by(transfer.worker)):
            made = carry_out(transfer)
        settle(transfer, state=TransferState.SUCCEEDED, made=made, error="")
    except (TrainingError, TracingError, OSError) as error:
        settle(transfer, state=TransferState.FAILED, error=without_home(message(error)))
    except LostTransfer as error:
        log.warning("%s", error)
    except Exception as error:
        log.exception("%s went wrong", transfer)
        settle(transfer, state=TransferState.FAILED, error=f"{type(error).__name__}: {error}")


def claim(pk: int) -> Transfer | None:
    worker = workers.new_name()
    taken = Transfer.objects.filter(pk=pk, state=TransferState.QUEUED).update(
        state=TransferState.RUNNING, worker=worker, heartbeat_at=timezone.now(), attempts=F("attempts") + 1
    )
    return Transfer.objects.select_related("checkpoint", "owner").get(pk=pk) if taken else None


def carry_out(transfer: Transfer) -> Checkpoint | None:
    """The checkpoint that was made, if one was. Raises TrainingError, TracingError or LostTransfer."""
    owner = transfer.owner
    by = Actor(owner.get_username(), owner) if owner else Actor("a deleted account")
    if transfer.kind == TransferKind.IMPORT:
        tell, folder = Telling(transfer, "copying"), offered_folder(transfer.folder)
        return import_model(folder=folder, name=transfer.name, corpora=transfer.corpora, by=by, progress=tell)
    if transfer.checkpoint is None:
        raise TrainingError("the checkpoint was deleted meanwhile")
    if transfer.kind == TransferKind.MERGE:
        Telling(transfer, "merging")(0, 0)
        return merge_adapter(checkpoint=transfer.checkpoint, name=transfer.name, by=by)
    if not transfer.directory.exists():  # else an attempt that was killed then had published it whole
        give_out(transfer, transfer.checkpoint, by)
    return None


def give_out(transfer: Transfer, checkpoint: Checkpoint, by: Actor) -> None:
    transfer.directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    tell = Telling(transfer, "writing")
    tell(0, 0)
    gguf = {"f32": "f32", "f16": "f16"}.get(transfer.gguf)
    export_model(checkpoint=checkpoint, folder=transfer.directory, by=by, gguf=gguf, progress=tell)  # type: ignore[arg-type]


class Telling:
    """Writes down how many bytes are done, now and then. Raises LostTransfer where another has it."""

    def __init__(self, transfer: Transfer, phase: str) -> None:
        self._transfer, self._phase, self._told_at = transfer, phase, 0.0

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._told_at > TELL_S:
            self._told_at = time.monotonic()
            change(self._transfer, phase=self._phase, done=done, total=total)


def change(transfer: Transfer, **fields: object) -> None:
    held = Transfer.objects.held_by(transfer.worker).filter(pk=transfer.pk)
    if not held.update(heartbeat_at=timezone.now(), **fields):
        raise LostTransfer(f"{transfer} is no longer held by {transfer.worker}")


def settle(transfer: Transfer, **fields: object) -> None:
    """How it ended; nothing where another attempt has it."""
    try:
        change(transfer, worker="", finished_at=timezone.now(), **fields)
    except LostTransfer as error:
        log.warning("%s", error)


def recover_transfers() -> None:
    """Queues again what dead workers held, given up after three, and sends lost messages again."""
    for transfer in Transfer.objects.filter(state=TransferState.RUNNING):
        silent = transfer.heartbeat_at is None or transfer.heartbeat_at < timezone.now() - HEARTBEAT_STALE
        if silent or workers.is_dead(transfer.worker):
            put_back(transfer)
    overdue = Q(enqueued_at=None) | Q(enqueued_at__lt=timezone.now() - MESSAGE_LOST)
    for transfer in Transfer.objects.filter(overdue, state=TransferState.QUEUED):
        enqueue(transfer)


def put_back(transfer: Transfer) -> None:
    held = Transfer.objects.held_by(transfer.worker).filter(pk=transfer.pk)
    if transfer.attempts >= ATTEMPTS_MAX:
        held.update(state=TransferState.FAILED, worker="", error=GONE, finished_at=timezone.now())
    elif held.update(state=TransferState.QUEUED, worker=""):
        log.warning("%s: worker %s is gone", transfer, transfer.worker)
        enqueue(transfer)
