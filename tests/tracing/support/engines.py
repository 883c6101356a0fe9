"""The engines that can search a store: tests of what they must agree on run over each of them."""

import contextlib
from collections.abc import Iterator, Sequence

from tracing.core.engines.infini_gram import InfiniGramStore
from tracing.core.stores.store import TokenStore


@contextlib.contextmanager
def searched_by(
    engine: str, stores: Sequence[TokenStore], **options: float
) -> Iterator[list[TokenStore] | list[InfiniGramStore]]:
    """The open stores, as a corpus is given them for the engine to search."""
    if engine == "headwater":
        yield list(stores)
        return
    chosen = [InfiniGramStore(store, **options) for store in stores]
    try:
        yield chosen
    finally:
        for store in chosen:
            store.child.stop()
