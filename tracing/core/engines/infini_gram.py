"""infini-gram's own engine for a store, in a supervised child process.

It finds the matches; documents are read by our own reader, block by checked block. Since that engine
trusts its files, it is let near a store only once every byte has been checked, and again after a change.
"""

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from tracing.core.arrays import Longs
from tracing.core.engines.child import Supervised
from tracing.core.engines.engine import Cancel, Excerpt, Place, Ranges, Terms
from tracing.core.engines.local import LocalEngine
from tracing.core.errors import Cancelled, StoreDamaged
from tracing.core.matching.query import Query
from tracing.core.stores.layout import DATA_FILES
from tracing.core.stores.manifest import Manifest
from tracing.core.stores.store import TokenStore
from tracing.core.stores.unigrams import Unigrams

CHILD: Final = "tracing.core.engines.infini_gram_child"
LIMIT_S: Final = 30.0
CHUNK_POSITIONS: Final = 512  # in one question, between two looks at `cancelled`
CHUNK_SEQUENCES: Final = 1024
CHECK_ALL_BYTES: Final = 1 << 62

Signature = tuple[tuple[int, ...], ...]


class InfiniGramStore:
    """A store of this machine whose matches infini-gram's engine finds. Threads may share one.

    `limit_s` is for one question to the child. EngineFailed where that keeps failing.
    """

    def __init__(self, store: TokenStore, *, limit_s: float = LIMIT_S) -> None:
        self.store, self.path, self._limit_s = store, store.path, limit_s
        self._checking = threading.Lock()
        self._checked: Signature | None = None  # of the files, when every byte of them was found right
        check = f"Check the store by `manage.py verify_index {store.path}`"
        advice = f"{check}, or choose the engine headwater for it."
        self.child = Supervised(self._arguments, advice)

    @classmethod
    def engine(cls, stores: Sequence[Self]) -> "InfiniGramEngine":
        """The engine that searches these stores."""
        return InfiniGramEngine(stores)

    @property
    def manifest(self) -> Manifest:
        return self.store.manifest

    @property
    def unigrams(self) -> Unigrams:
        """How often each id occurs in the store."""
        return self.store.unigrams

    def check(self) -> None:
        """StoreDamaged or StoreMissing unless all files are as they were written.

        They are read only if they changed since they were last; the child then starts anew.
        """
        with self._checking:
            found = self._signature()
            if found and found == self._checked:
                return
            self.child.stop()
            self._checked = None
            with TokenStore.open(self.path, check_at_open_bytes=CHECK_ALL_BYTES) as opened:
                digest = opened.manifest.digest
            if digest != self.manifest.digest or self._signature() != found:
                raise StoreDamaged(
                    f"{self.path} is being changed: published stores never are; publish it anew."
                )
            self._checked = found

    def check_unchanged(self) -> None:
        """StoreDamaged if a file changed since `check`: nobody knows then what was read meanwhile."""
        if self._signature() != self._checked:
            self.check()
            raise StoreDamaged(f"{self.path} was changed while it was searched: ask again.")

    def ask(self, operation: str, **arguments: Any) -> Any:
        """The child's answer."""
        return self.child.ask({"operation": operation, **arguments}, self._limit_s)

    def close(self) -> None:
        """End the child and close the files."""
        self.child.stop()
        self.store.close()

    def _signature(self) -> Signature:
        """What changes when a file is written, cut or replaced; nothing where one is missing."""
        try:
            stats = [(self.path / name).stat() for name in sorted(self.manifest.files)]
        except OSError:
            return ()
        return tuple((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in stats)

    @contextmanager
    def _arguments(self) -> Iterator[list[str]]:
        """The child's arguments, with a directory of links to the store's files and nothing else.

        The engine takes whatever lies in a directory, sorts the names as text, and looks for its files' names
        in the whole path: hence a directory of plain names, numbered with leading zeros.
        """
        with tempfile.TemporaryDirectory(prefix="headwater-") as directory:
            for number in range(self.manifest.shards):
                for stem in DATA_FILES:
                    link = Path(directory) / f"{stem}.{number:08}"
                    link.symlink_to((self.path / f"{stem}.{number}").resolve())
            yield [CHILD, directory, self.manifest.dtype]


class InfiniGramEngine:
    """Searches stores one after another, each by its own child."""

    def __init__(self, stores: Sequence[InfiniGramStore]) -> None:
        self._stores = stores
        self._reader = LocalEngine([store.store for store in stores])

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Checks the files before, since the engine trusts them, and after, since it maps them."""
        with ExitStack() as stack:
            for store in self._stores:
                store.check()
                stack.callback(store.check_unchanged)
            stack.enter_context(self._reader.reading())
            yield

    def longest_matches(self, query: Query, cancelled: Cancel | None) -> Longs:
        lengths = np.zeros(query.size, dtype=np.int64)
        for store in self._stores:
            np.maximum(lengths, self._lengths(store, query, cancelled), out=lengths)
        return lengths

    def find(
        self, query: Query, starts: Longs, stops: Longs, within: Ranges | None = None, known: int = 1
    ) -> Ranges:
        ids = query.token_ids.tolist()
        sequences = [ids[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
        found = np.concatenate([self._find(store, sequences) for store in self._stores], axis=1)
        return Ranges(found[:, :, 0].T.copy(), found[:, :, 1].T.copy())

    def locate(self, rows: Longs, ranks: Longs) -> Longs:
        return self._reader.locate(rows, ranks)

    def read(self, places: Sequence[Place], terms: Terms) -> list[Excerpt]:
        return self._reader.read(places, terms)

    def _lengths(self, store: InfiniGramStore, query: Query, cancelled: Cancel | None) -> Longs:
        ids, ends = query.token_ids.tolist(), list[int]()
        for begin in range(0, query.size, CHUNK_POSITIONS):
            if cancelled is not None and cancelled():
                raise Cancelled("The trace was stopped.")
            stop, reach = min(begin + CHUNK_POSITIONS, query.size), max([begin, *ends[-1:]])
            ends += store.ask("ends", ids=ids, begin=begin, stop=stop, reach=reach)
        return np.array(ends, dtype=np.int64) - np.arange(query.size)

    def _find(self, store: InfiniGramStore, sequences: list[list[int]]) -> Longs:
        """(low, high) ranks of each sequence in each shard, shape [sequences, shards, 2]."""
        found: list[Any] = []
        for first in range(0, len(sequences), CHUNK_SEQUENCES):
            found += store.ask("find", queries=sequences[first : first + CHUNK_SEQUENCES])
        ranges = np.array(found, dtype=np.int64).reshape(len(sequences), store.manifest.shards, 2)
        ranges[ranges[..., 0] >= ranges[..., 1]] = 0  # one way to say that there is none
        return ranges


__all__ = ["InfiniGramEngine", "InfiniGramStore"]
