"""Which steps of a checkpoint's stage trained on a document: the data order, kept by this process."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.cache import Cache
from tracing.core.errors import StoreMismatch, StoreMissing
from tracing.core.nodes.node_store import Reader
from tracing.models import Store
from tracing.nodes.elsewhere import lengths_elsewhere, open_reader
from tracing.services import open_store
from training.core.checkpoints import read_checkpoint
from training.core.errors import CheckpointError
from training.core.order import Packing, Piece
from training.core.rl.lookup import documents_at, step_of, step_said
from training.core.store_order import AnyOrder, new_order, new_share_order
from training.models import Checkpoint, TrainedOn


@dataclass(frozen=True)
class OrderSettings:
    """What, besides the store, decides the order of a stage of `steps` steps."""

    seed: int
    sequence_length: int
    batch_size: int
    packing: Packing
    steps: int
    share: float = 1.0
    place: int = 0
    held_out: int = 0


_settings: Cache[tuple[str, str, str], OrderSettings] = Cache(size=1024)
_lengths: Cache[str, NDArray[np.int64]] = Cache(size=64)
_orders: Cache[tuple[str, OrderSettings], AnyOrder] = Cache(size=16)


def steps_of(reading: TrainedOn, document: int, metadata: Mapping[str, Any] | None = None) -> list[int]:
    """The steps of the whole stage, counted from 1, that trained on some of the document.

    `metadata` are the document's own, where they have been read already. Raises StoreError, and Unanswered
    for a store whose node does not say what the order follows from.
    """
    checkpoint, store = reading.checkpoint, reading.store
    settings = settings_of(checkpoint, store.name)
    if settings.packing == "rollouts":
        return [step_said(metadata) if metadata is not None else step_of(open_reader(store), document)]
    order = order_in(store, settings)
    return [step + 1 for step in order.steps_of(document, settings.steps)]


def pieces_at(reading: TrainedOn, step: int) -> list[Piece]:
    """What the step of that stage, counted from 1, read of the store, in the order of the batch."""
    checkpoint, store = reading.checkpoint, reading.store
    settings = settings_of(checkpoint, store.name)
    if settings.packing == "rollouts":
        return rollouts_at(open_reader(store), store.digest, step)
    order = order_in(store, settings)
    return list(order.pieces(step - 1))


def rollouts_at(store: Reader, digest: str, step: int) -> list[Piece]:
    """Each rollout of a step stands whole in a row of its own."""
    lengths = _lengths.kept(digest)
    if lengths is None:
        said = store.document_lengths()
        lengths = _lengths.get(digest, lambda: said)
    documents = enumerate(documents_at(store, step))
    return [Piece(row, 0, document, 0, int(lengths[document])) for row, document in documents]


def order_in(store: Store, settings: OrderSettings) -> AnyOrder:
    """The order of a store here or on a node, kept.

    A node is asked before the cache is, whose makers answer for all who wait: one who stops waiting must not
    stop the others.
    """
    key = (store.digest, settings)
    if store.is_here:
        return _orders.get(key, lambda: make_order(open_store(store).document_lengths(), settings))
    known = _orders.kept(key)
    if known is None:
        lengths = lengths_elsewhere(store)
        known = _orders.get(key, lambda: make_order(lengths, settings))
    return known


def settings_of(checkpoint: Checkpoint, store_name: str) -> OrderSettings:
    """As `read_settings`, read once. Equal weights may come from other settings: names tell them apart."""
    key = (checkpoint.name, checkpoint.digest, store_name)
    return _settings.get(key, lambda: read_settings(checkpoint, store_name))


def read_settings(checkpoint: Checkpoint, store_name: str) -> OrderSettings:
    """From the checkpoint's manifest. Raises StoreError where that is missing or does not name the store."""
    try:
        manifest = read_checkpoint(checkpoint.path)
    except CheckpointError as error:
        raise StoreMissing(f"When {store_name} was read cannot be said: {error}") from error
    read = next((read for read in manifest.stores if read.name == store_name), None)
    if read is None:
        raise StoreMismatch(f"The manifest of {checkpoint} does not name the store {store_name}.")
    config = {name: manifest.config[name] for name in ("sequence_length", "batch_size", "packing")}
    config["held_out"] = manifest.config.get("held_out", 0)  # which older ones do not have
    return OrderSettings(seed=read.seed, steps=manifest.steps, share=read.share, place=read.place, **config)


def make_order(lengths: NDArray[np.int64], settings: OrderSettings) -> AnyOrder:
    """The order with all the epochs of the stage laid out, so that threads only read it."""
    order = order_of(lengths, settings)
    order.steps_of(0, settings.steps)
    return order


def order_of(lengths: NDArray[np.int64], settings: OrderSettings) -> AnyOrder:
    """The order of the store alone, or of its part of a mixture."""
    shared: dict[str, Any] = {
        "seed": settings.seed,
        "sequence_length": settings.sequence_length,
        "batch_size": settings.batch_size,
        "packing": settings.packing,
    }
    if settings.share < 1:
        return new_share_order(lengths, **shared, share=settings.share, second=settings.place == 1)
    return new_order(lengths, **shared, held_out=settings.held_out)
