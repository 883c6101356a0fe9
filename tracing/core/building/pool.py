"""Batches encoded by a pool of processes, the results in the order of the batches."""

import ctypes
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Final

from tracing.core.building.encoding import BatchEncoder, Encoded, Encoding
from tracing.core.building.sources import Read
from tracing.core.errors import StoreError

WAITING: Final = 2
"""Batches that wait for each process, so that none is idle."""
PR_SET_PDEATHSIG: Final = 1


class EncodingPool:
    """`processes` child processes that encode; with one, this process does it by itself."""

    def __init__(self, encoding: Encoding, processes: int) -> None:
        self._encoding, self._processes = encoding, processes

    def encode(self, reads: Iterable[Read]) -> Generator[tuple[Read, Encoded], None, None]:
        """Each batch with its documents, in order; StoreError if a process is killed."""
        if self._processes == 1:
            encoder = BatchEncoder(self._encoding)
            yield from ((read, encoder.encode(read.batch)) for read in reads)
            return
        with self._children() as free, ThreadPoolExecutor(self._processes) as threads:
            waiting: deque[tuple[Read, Future[Encoded]]] = deque()
            try:
                for read in reads:
                    waiting.append((read, threads.submit(_ask, free, read.batch)))
                    if len(waiting) >= WAITING * self._processes:
                        first, future = waiting.popleft()
                        yield first, future.result()
                yield from ((first, future.result()) for first, future in waiting)
            finally:
                for _, future in waiting:
                    future.cancel()

    @contextmanager
    def _children(self) -> Iterator["SimpleQueue[Connection]"]:
        """Connections to the processes; each ends when its connection does."""
        context = multiprocessing.get_context("spawn")
        free: SimpleQueue[Connection] = SimpleQueue()
        connections, children = [], []
        try:
            for _ in range(self._processes):
                ours, theirs = context.Pipe()
                child = context.Process(
                    target=_serve, args=(theirs, self._encoding, os.getpid()), daemon=True
                )
                child.start()
                theirs.close()
                connections.append(ours)
                children.append(child)
                free.put(ours)
            yield free
        finally:
            for connection in connections:
                connection.close()
            for child in children:
                child.join(timeout=5)
                child.kill()


def _ask(free: "SimpleQueue[Connection]", batch: Any) -> Encoded:
    connection = free.get()
    try:
        connection.send(batch)
        answer: Encoded | Exception = connection.recv()
    except (EOFError, OSError) as error:
        raise StoreError(
            "A process that encoded documents was killed, perhaps for want of memory: run it again, "
            "with fewer --processes; what was written is kept."
        ) from error
    finally:
        free.put(connection)
    if isinstance(answer, Exception):
        raise answer
    return answer


def _serve(connection: Connection, encoding: Encoding, parent: int) -> None:
    """Encode what comes until the other end closes, or the parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C, and closes the connection
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with suppress(OSError, AttributeError):  # elsewhere than on Linux, the closed connection ends it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    encoder = BatchEncoder(encoding)
    with suppress(EOFError, OSError):
        while True:
            connection.send(_answer(encoder, connection.recv()))


def _answer(encoder: BatchEncoder, batch: Any) -> Encoded | Exception:
    try:
        return encoder.encode(batch)
    except Exception as error:
        return StoreError(f"Encoding failed ({type(error).__name__}: {error}).")
