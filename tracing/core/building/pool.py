"""Batches encoded by a pool of processes, the results in the order of the batches."""

import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from queue import SimpleQueue
from typing import Any, Final

from tracing.core.building.encoding import BatchEncoder, Encoded, Encoding
from tracing.core.building.sources import Read
from tracing.core.errors import StoreError

WAITING: Final = 2
"""Batches that wait for each process, so that none is idle."""
PR_SET_PDEATHSIG: Final = 1
KILLED: Final = (
    "A process that encoded documents was killed, perhaps for want of memory: run it again, with fewer "
    "--processes; what was written is kept."
)


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
        free: SimpleQueue[Connection] = SimpleQueue()
        with ExitStack() as stack:
            connections = [_connect(stack) for _ in range(self._processes)]
            for connection in connections:  # they start up side by side
                _send(connection, self._encoding)
                free.put(connection)
            yield free


def _connect(stack: ExitStack) -> Connection:
    """The connection to a new process; both end with the stack."""
    ours, theirs = Pipe()
    with theirs:
        stack.callback(_end, _start(theirs.fileno()))
    return stack.enter_context(ours)


def _start(descriptor: int) -> "subprocess.Popen[bytes]":
    """A process that serves the connection with this descriptor, and knows where our modules are."""
    code = "import sys; from tracing.core.building.pool import serve; serve(*map(int, sys.argv[1:]))"
    command = [sys.executable, "-c", code, str(descriptor), str(os.getpid())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TOKENIZERS_PARALLELISM": "false"}
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[descriptor], env=environment)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Wait for a process whose connection was closed."""
    try:
        child.wait(timeout=5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _ask(free: "SimpleQueue[Connection]", batch: Any) -> Encoded:
    connection = free.get()
    try:
        _send(connection, batch)
        answer: Encoded | Exception = connection.recv()
    except (EOFError, OSError) as error:
        raise StoreError(KILLED) from error
    finally:
        free.put(connection)
    if isinstance(answer, Exception):
        raise answer
    return answer


def _send(connection: Connection, value: Any) -> None:
    try:
        connection.send(value)
    except OSError as error:
        raise StoreError(KILLED) from error


def serve(descriptor: int, parent: int) -> None:
    """Encode what comes until the other end closes, or the parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C, and closes the connection
    with suppress(OSError, AttributeError):  # elsewhere than on Linux, the closed connection ends it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    with suppress(EOFError, OSError), Connection(descriptor) as connection:
        encoder = BatchEncoder(connection.recv())
        while True:
            connection.send(_answer(encoder, connection.recv()))


def _answer(encoder: BatchEncoder, batch: Any) -> Encoded | Exception:
    try:
        return encoder.encode(batch)
    except Exception as error:
        return StoreError(f"Encoding failed ({type(error).__name__}: {error}).")
