"""What a node can be asked of a store that it holds, and how it answers.

Every answer is of one store and checked like any search on this machine: nothing that was read leaves
before it was found sound.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from tracing.core.engines.engine import Excerpt, Place, Terms, Window
from tracing.core.engines.local import LocalEngine
from tracing.core.errors import InputError
from tracing.core.matching.query import Query
from tracing.core.stores.store import TokenStore

Arguments = Mapping[str, Any]


def answer(store: TokenStore, operation: str, arguments: Arguments) -> Any:
    """What the store says to this question. Raises InputError for an unknown question, StoreError."""
    if operation not in OPERATIONS:
        raise InputError(f"A node cannot be asked for {operation!r}: run the same version everywhere.")
    engine = LocalEngine([store])
    with engine.reading(), store.reading():
        return OPERATIONS[operation](store, engine, **arguments)


def _unigrams(store: TokenStore, engine: LocalEngine) -> Any:
    """How often each id occurs, shape [ids, 2]."""
    return store.unigrams


def _lengths(store: TokenStore, engine: LocalEngine, token_ids: Any) -> Any:
    """m(i) for each of the ids."""
    return engine.longest_matches(_query(store, token_ids), None)


def _ranges(store: TokenStore, engine: LocalEngine, token_ids: Any, starts: Any, stops: Any) -> Any:
    """(lows, highs) of the sequences token_ids[starts[n]:stops[n]], shape [2, shards, n]."""
    found = engine.find(_query(store, token_ids), _own(starts), _own(stops))
    return np.stack([found.lows, found.highs])


def _places(store: TokenStore, engine: LocalEngine, rows: Any, ranks: Any) -> Any:
    """(position, document, start, stop) of each rank in its shard, shape [ranks, 4]."""
    return engine.locate(_own(rows), _own(ranks))


def _documents(store: TokenStore, engine: LocalEngine, places: Any, terms: Any) -> Any:
    """What is shown of the documents, and their scores by these terms."""
    asked = [
        Place(row, document, start, stop, tuple((at, length) for at, length in matches))
        for row, document, start, stop, matches in places
    ]
    return [excerpt_fields(excerpt) for excerpt in engine.read(asked, Terms(*terms))]


def _tokens(store: TokenStore, engine: LocalEngine, document: Any) -> Any:
    """The ids of a whole document, shape [tokens]."""
    return store.token_ids(document)


def _wholes(store: TokenStore, engine: LocalEngine, documents: Any) -> Any:
    """(shard, start, stop, ids) of whole documents: the bytes start..stop of the shard's tokenized.N."""
    return [[*store.extent(document), store.token_ids(document)] for document in documents]


def _metadata(store: TokenStore, engine: LocalEngine, documents: Any) -> Any:
    """The metadata objects of some documents."""
    return store.metadata_of(documents)


def _document_lengths(store: TokenStore, engine: LocalEngine, first: int, stop: int) -> Any:
    """Tokens of the documents first..stop; a shard has fewer than 2^31 bytes, so each fits four bytes."""
    return store.document_lengths(first, stop).astype("<u4")


OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "unigrams": _unigrams,
    "lengths": _lengths,
    "ranges": _ranges,
    "places": _places,
    "documents": _documents,
    "tokens": _tokens,
    "wholes": _wholes,
    "metadata": _metadata,
    "document_lengths": _document_lengths,
}


def excerpt_fields(excerpt: Excerpt) -> list[Any]:
    """An excerpt as it is sent."""
    windows = [[window.first, window.token_ids, window.matches] for window in excerpt.windows]
    return [excerpt.score, windows, excerpt.tokens, dict(excerpt.metadata)]


def excerpt_of(fields: list[Any]) -> Excerpt:
    """The excerpt that `excerpt_fields` sent; ValueError where a match lies outside its window."""
    score, windows, tokens, metadata = fields
    found = [Window(first, ids, tuple((a, b) for a, b in matches)) for first, ids, matches in windows]
    if any(not w.first <= a <= b <= w.first + len(w.token_ids) for w in found for a, b in w.matches):
        raise ValueError("a match outside its window")
    return Excerpt(score, tuple(found), tokens, metadata)


def _query(store: TokenStore, token_ids: Any) -> Query:
    return Query([store.manifest.token_type], token_ids)


def _own(values: Any) -> Any:
    """A copy that may be written to, as the kernels are compiled for."""
    return np.array(values, dtype=np.int64)
