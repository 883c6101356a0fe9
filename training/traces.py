"""Tracing text to the data of a checkpoint: what the chat, /v1/traces and `manage.py trace` call.

Safe for threads. Everything here reads the database and files and computes: async code calls it in a thread.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from tracing.byte_indexes import byte_twins_of
from tracing.cache import Cache
from tracing.core.documents.filters import DocumentFilter
from tracing.core.engines.choice import reader_of
from tracing.core.errors import InputError
from tracing.core.indexes import Index
from tracing.core.nodes.node_store import NodeStore, Reader
from tracing.core.request import TraceRequest
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from tracing.core.trace import LiveTrace, Tracer
from tracing.models import Store
from tracing.nodes.elsewhere import open_indexes
from tracing.packs import packs_of
from tracing.services import open_tokenizer
from tracing.withholding.lookup import WithheldNow
from training.added import mark_added
from training.core.checkpoints import IMPORTED
from training.lineage import Lineage, ancestor_called, lineage_stores
from training.models import Checkpoint

__all__ = ["lineage_stores", "live_trace", "trace_answer", "trace_checkpoint", "tracer_for"]

FILTERS = {"corpora", "licences", "sources", "relevance"}

_tracers: Cache[tuple[str, ...], Tracer] = Cache(size=32)


def tracer_for(checkpoint: Checkpoint) -> Tracer:
    """The tracer over the checkpoint's whole lineage, shared by this process's threads.

    Raises InputError where it has no stores, StoreError where one of them is missing or damaged.
    """
    return open_tracer(checkpoint, lineage_stores(checkpoint))


def open_tracer(checkpoint: Checkpoint, stores: list[Store]) -> Tracer:
    if not stores:
        raise InputError(untraceable(checkpoint))
    opened = open_indexes(stores)
    here = [store for store in opened if isinstance(store, TokenStore)]
    packs = packs_of(here)
    twins = byte_twins_of([reader for store in opened if (reader := reader_anywhere(store))])
    pairs = zip(stores, opened, strict=True)
    searched = [f"{row.engine} {row.digest} {index_state(store)}" for row, store in pairs]
    beside = [*(pack.store.path.name for pack in packs), *(f"bytes: {id(twin.twin)}" for twin in twins)]
    key = (str(checkpoint.path), checkpoint.digest, *searched, *beside)
    return _tracers.get(key, lambda: Tracer(opened, open_tokenizer(checkpoint.path), packs, twins))


def untraceable(checkpoint: Checkpoint) -> str:
    """Why the answers of a checkpoint without stores are not traced, and what to do."""
    if checkpoint.stage == IMPORTED:
        return (
            f"{checkpoint} was made elsewhere and no corpus is attached to it: its answers can be traced "
            "once an administrator attaches one on its page."
        )
    return f"No token store is known for {checkpoint}: register its data to trace its answers."


def reader_anywhere(store: object) -> Reader | None:
    """The documents behind what a tracer was given, here or on a node; None where they cannot be read."""
    return store if isinstance(store, NodeStore) else reader_of(store)


def index_state(store: object) -> str:
    """What tells a tracer over this store from one over the same store in another state."""
    return f"away: {store.reason}" if isinstance(store, Index) else f"opened: {id(store)}"


def trace_checkpoint(
    checkpoint: Checkpoint,
    *,
    text: str | None = None,
    token_ids: Sequence[int] | None = None,
    prompt: str = "",
    added_since: str | None = None,
    cancelled: Callable[[], bool] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The trace of a text, or of a model's own token ids, as POST /v1/traces answers it.

    `options` are those of TraceRequest (raw, min_tokens, density, max_documents, stages, seed) and of its
    DocumentFilter (corpora, licences, sources, relevance); None means the default. Documents that are
    withheld now are counted, and others drawn in their places. `prompt` counts for relevance only.
    `added_since` names an ancestor of the checkpoint: each span then says whether it is `added`, that is in
    none of the ancestor's data. Raises InputError for bad input, StoreError for a bad store, Cancelled once
    `cancelled` says so.
    """
    ancestor = ancestor_called(checkpoint, added_since) if added_since is not None else None
    behind = Lineage.of(checkpoint)
    tracer = open_tracer(checkpoint, behind.stores)
    request = make_request(tracer.tokenizer, text=text, token_ids=token_ids, prompt_text=prompt, **options)
    trace = tracer.trace(request, cancelled, behind.seen, WithheldNow())
    found = trace.to_json()
    named = {"id": f"trace-{uuid.uuid4().hex}", "model": checkpoint.name, "checkpoint": checkpoint.name}
    answer = {"object": found.pop("object"), **named, **found}
    return mark_added(answer, tracer_for(ancestor), cancelled) if ancestor else answer


def trace_answer(checkpoint: Checkpoint, token_ids: Sequence[int], prompt: str = "") -> dict[str, Any]:
    """The trace of an answer's sampled ids, as the chat keeps it."""
    return trace_checkpoint(checkpoint, token_ids=token_ids, prompt=prompt)


def live_trace(checkpoint: Checkpoint) -> LiveTrace:
    """Follows an answer while it streams: push its ids as they come, and take the spans so far."""
    return tracer_for(checkpoint).live()


def make_request(
    tokenizer: TextTokenizer, *, text: str | None, token_ids: Sequence[int] | None, **options: Any
) -> TraceRequest:
    """The checked request. Raises InputError unless there is exactly one of text and token ids."""
    given = {name: value for name, value in options.items() if value is not None}
    lists = {"stages", "corpora", "licences", "sources"} & given.keys()
    given |= {name: tuple(given[name]) for name in lists}
    given["wanted"] = DocumentFilter(**{name: given.pop(name) for name in FILTERS & given.keys()})
    if (text is None) == (token_ids is None):
        raise InputError("Give either text or token_ids to trace, one of them.")
    if text is not None:
        return TraceRequest.of_text(text, tokenizer, **given)
    return TraceRequest(token_ids=token_ids or (), **given)
