"""A store searched for personal data, by child processes that give way to everything else."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Final

from tracing.core.documents.personal_data import Detector, check_kinds
from tracing.core.errors import StoreError
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer

BATCH: Final = 64  # documents looked at between two reports of a child
AHEAD: Final = 4  # batches given to each child before the first of them is taken
NICE: Final = 15
TICK_S: Final = 2.0

Found = dict[int, dict[str, int]]
"""Documents that hold personal data, by number, with how many of each kind."""


@dataclass(frozen=True)
class Scan:
    """What to look for and where: directories of a published store and of its tokenizer."""

    store: Path
    tokenizer: Path
    kinds: tuple[str, ...]
    processes: int = 1


def scan_store(
    scan: Scan, documents: int, start: int = 0, tick: Callable[[], None] = lambda: None
) -> Iterator[tuple[int, Found]]:
    """(next document, what was found) for batches of documents in order, from number `start` on.

    `tick` is called every few seconds while batches are waited for; what it raises ends the scan. Raises
    StoreError where the store or its tokenizer cannot be read, or a child process dies.
    """
    check_kinds(scan.kinds)
    context = get_context("spawn")
    pool = ProcessPoolExecutor(scan.processes, context, initializer=_begin, initargs=(scan,))
    bounds = [(first, min(first + BATCH, documents)) for first in range(start, documents, BATCH)]
    pending: deque[tuple[int, Future[Found]]] = deque()
    try:
        for first, stop in bounds:
            pending.append((stop, pool.submit(_scan, first, stop)))
            if len(pending) >= AHEAD * scan.processes:
                yield _taken(pending, tick)
        while pending:
            yield _taken(pending, tick)
    except BrokenProcessPool as error:
        raise StoreError(
            f"A process that scanned {scan.store} ended at once: start the scan again."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _taken(pending: deque[tuple[int, Future[Found]]], tick: Callable[[], None]) -> tuple[int, Found]:
    stop, future = pending.popleft()
    while not wait([future], timeout=TICK_S).done:
        tick()
    return stop, future.result()


class _Child:
    """What a child process keeps between batches."""

    store: TokenStore
    tokenizer: TextTokenizer
    detector: Detector


def _begin(scan: Scan) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends its children itself
    os.nice(NICE)
    # Presidio would import both, for recognisers that are not used here: 4 s and 280 MB a process.
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
    sys.modules.setdefault("transformers", None)  # type: ignore[arg-type]
    _Child.tokenizer = TextTokenizer.open(scan.tokenizer)
    _Child.store = TokenStore.open(scan.store, tokenizer=_Child.tokenizer.digest)
    _Child.detector = Detector(scan.kinds)


def _end_with_parent() -> None:
    """A parent that is killed cannot stop its children: they see its pipe close."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _scan(start: int, stop: int) -> Found:
    found: Found = {}
    for number in range(start, stop):
        pieces = _Child.tokenizer.stored_pieces(_Child.store.token_ids(number))
        counts = _Child.detector.count(b"".join(pieces).decode(errors="replace"))
        if counts:
            found[number] = dict(counts)
    return found
