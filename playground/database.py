"""The database from async code, in a few threads that everyone shares: a stream that only waits holds none.

Django's own way (`sync_to_async`) gives each request a thread of its own for as long as its answer streams.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import SyncToAsync
from django.db import close_old_connections, connections

from tracing.core.cancelling import cancellable
from tracing.core.errors import Cancelled

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

KEEP_S = 60.0
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="database")


class Afterwards(ThreadPoolExecutor):
    """One thread for what is left to do of requests that let go of theirs; no request's end ends it."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Asked for by asgiref at the end of each request, where it would wait for the thread to end."""


_afterwards = Afterwards(max_workers=1, thread_name_prefix="afterwards")


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that uses the ORM in one of the shared threads."""

    def call() -> T:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            keep_file_open()
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_threads, call)


async def while_wanted(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `in_database`, for work that may take long: it ends soon after the client has gone.

    It does so where it asks (`tracing.core.cancelling`), as every trace does. Django cancels an async view
    when its client disconnects; a thread has to be told.
    """
    left = threading.Event()

    def work() -> T:
        with cancellable(left.is_set):
            try:
                return function(*args, **kwargs)
            except Cancelled:
                logger.info("%s ended early: its client has gone.", function.__name__)
                raise

    try:
        return await in_database(work)
    except asyncio.CancelledError:
        left.set()
        raise


def keep_file_open() -> None:
    """Let this thread keep its SQLite connection for a while: opening one costs eight times a small query.

    Connections to a server are closed as CONN_MAX_AGE says, or go back to Django's pool.
    """
    for connection in connections.all(initialized_only=True):
        if connection.vendor == "sqlite" and connection.connection is not None:
            connection.close_at = time.monotonic() + KEEP_S


def release_request_thread() -> None:
    """Let go of the thread and connection that Django keeps for the current request; for long streams.

    Later synchronous work of the same request, such as closing its response, is done in one thread for all:
    thousands of streams that end together would otherwise start and await thousands of threads.
    """
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None:
        return
    executor = SyncToAsync.context_to_thread_executor.get(context)
    SyncToAsync.context_to_thread_executor[context] = _afterwards
    if isinstance(executor, ThreadPoolExecutor) and executor is not _afterwards:
        executor.submit(connections.close_all)
        executor.shutdown(wait=False)
