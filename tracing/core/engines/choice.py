"""Which engine searches a store of this machine, by name."""

import importlib.util
from typing import Final

from tracing.core.engines.infini_gram import InfiniGramStore
from tracing.core.errors import EngineFailed, InputError
from tracing.core.stores.store import TokenStore

HEADWATER: Final = "headwater"
INFINI_GRAM: Final = "infini-gram"
ENGINES: Final = (HEADWATER, INFINI_GRAM)


def check_installed(engine: str) -> None:
    """InputError for an unknown engine, EngineFailed for one whose package is not installed here."""
    if engine not in ENGINES:
        raise InputError(f"No engine is called {engine!r}: choose {' or '.join(ENGINES)}.")
    if engine == INFINI_GRAM and importlib.util.find_spec("infini_gram") is None:
        raise EngineFailed(
            "The package infini-gram is not installed here: `pip install infini-gram==2.6.0`, or choose the "
            f"engine {HEADWATER}."
        )


def reader_of(store: object) -> TokenStore | None:
    """The open store of this machine behind what a corpus was given, whichever engine searches it."""
    reader = store.store if isinstance(store, InfiniGramStore) else store
    return reader if isinstance(reader, TokenStore) else None


def searched_by(engine: str, store: TokenStore) -> TokenStore | InfiniGramStore:
    """The store as a corpus is given it, to be searched by this engine; raises as `check_installed` does."""
    check_installed(engine)
    return InfiniGramStore(store) if engine == INFINI_GRAM else store
