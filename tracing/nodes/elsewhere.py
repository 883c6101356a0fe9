"""The stores of this site that lie on other machines: registering them, and opening them to be searched."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import redis
from django.conf import settings
from numpy.typing import NDArray

from tracing.cache import Cache
from tracing.core.bytes.twin import FOLDER
from tracing.core.errors import StoreDamaged, StoreMismatch, StoreMissing, Unanswered
from tracing.core.indexes import Index
from tracing.core.matching.corpus import EngineStore
from tracing.core.nodes.node_store import NodeStore
from tracing.core.stores.manifest import Manifest
from tracing.core.stores.store import TokenStore
from tracing.models import Store
from tracing.nodes.announcing import Announced, announced
from tracing.nodes.asking import ask_nodes
from tracing.opening import open_searched, open_store

Held = dict[str, list[Announced]]
"""What nodes announce, by the stores' names."""

_stores: Cache[tuple[str, str], NodeStore] = Cache(size=256)


def open_indexes(stores: Sequence[Store]) -> list[TokenStore | EngineStore | Index]:
    """Each store as a tracer is given it: opened here, searched on its node, or an Index that says why not.

    Raises StoreError for a store on this machine that is damaged.
    """
    held = None if all(store.is_here for store in stores) else held_elsewhere()
    return [open_searched(store) if store.is_here else open_elsewhere(store, held) for store in stores]


def open_reader(store: Store) -> TokenStore | NodeStore:
    """The store, to read documents from, here or on its node. Raises StoreError."""
    found = open_store(store) if store.is_here else open_elsewhere(store, held_elsewhere())
    if isinstance(found, Index):
        raise StoreMissing(f"{store.name} cannot be read: {found.reason}")
    return found


def lengths_elsewhere(store: Store) -> NDArray[np.int64]:
    """Tokens of each document of a store on another machine. Unanswered where no node says them."""
    found = open_elsewhere(store, held_elsewhere())
    if isinstance(found, Index):
        raise Unanswered({store.digest: found.reason})
    return found.document_lengths()


@contextmanager
def unanswered_is_missing(store: Store) -> Iterator[None]:
    """Around what reads one store outside of a trace: a node that does not answer is a StoreMissing."""
    try:
        yield
    except Unanswered as error:
        said = "; ".join(error.reasons.values())
        raise StoreMissing(f"{store.name} cannot be read: {said}") from error


def held_elsewhere() -> Held | None:
    """What nodes announce, or None where Redis does not answer."""
    try:
        return announced()
    except (redis.RedisError, OSError):
        return None


def open_elsewhere(store: Store, held: Held | None) -> NodeStore | Index:
    """The store on its node, or why it cannot be searched."""
    if held is None:
        return away(store, "its directory is not here, and Redis does not answer, so no node can be asked.")
    known = held.get(store.name, [])
    sound = [e.manifest for e in known if e.manifest is not None and e.manifest.digest == store.digest]
    if sound:
        return _stores.get((store.name, store.digest), lambda: on_node(store.name, sound[0]))
    reasons = [f"on {entry.node}: {entry.reason or 'another build of it'}" for entry in known]
    return away(store, "; ".join(reasons) or "its directory is not here, and no index node holds it now.")


def byte_index_elsewhere(name: str, held: Held) -> NodeStore | None:
    """The byte index of this directory's name on its node, or None where no node holds it. Raises StoreError
    for one that cannot be searched."""
    entries = held.get(f"{FOLDER}/{name}", [])
    sound = {entry.manifest.digest: entry.manifest for entry in entries if entry.manifest}
    nodes = ", ".join(entry.node for entry in entries)
    if len(sound) > 1:
        raise StoreMismatch(f"{nodes} hold other builds of it: copy that of one node to the others.")
    if entries and not sound:
        raise StoreDamaged("; ".join(f"on {entry.node}: {entry.reason}" for entry in entries))
    if not entries:
        return None
    [(digest, manifest)] = sound.items()
    return _stores.get((name, digest), lambda: on_node(f"{FOLDER}/{name}", manifest))


def on_node(name: str, manifest: Manifest) -> NodeStore:
    return NodeStore(name, manifest, ask_nodes, limit_s=float(settings.NODE_WAIT_S))


def away(store: Store, reason: str) -> Index:
    return Index(store.name, store.stage, store.digest, store.tokens, store.documents, reason)
