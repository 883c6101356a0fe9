"""The Celery worker of an index node, and the heartbeat that keeps its queues and its announcement."""

import logging
import threading
import uuid
from typing import Any

import redis
from celery import Celery
from celery.signals import worker_ready, worker_shutting_down

import tracing.nodes.tasks  # noqa: F401  (the one task of a node)
from tracing.core.matching.warm_up import warm_up
from tracing.nodes.announcing import EVERY_S, HOSTNAME, announce, held_here, withdraw
from tracing.nodes.asking import queue_of

logger = logging.getLogger(__name__)


def run_node(node: str, *, concurrency: int) -> None:
    """Serve the stores of this machine until the process is told to stop.

    The application is one of its own: the site's would load the training jobs, which need a database.
    """
    app = Celery("headwater-index-node", fixups=[])
    app.config_from_object("django.conf:settings", namespace="CELERY")
    hostname = f"{HOSTNAME}{uuid.uuid4().hex[:8]}@{node}"
    heartbeat = Heartbeat(app, node, hostname)
    worker_ready.connect(heartbeat.start)
    worker_shutting_down.connect(heartbeat.stop)
    options = ["--pool", "threads", "--concurrency", str(concurrency), "--hostname", hostname]
    quiet = ["--without-mingle", "--without-gossip", "--loglevel", "INFO"]
    # Its own queue, on which nothing is sent: without one it would take the site's tasks.
    app.worker_main(["worker", "--queues", f"index-node.{node}", *options, *quiet])


class Heartbeat:
    """A thread that takes the queues of the stores that are here, and announces them, every few seconds."""

    def __init__(self, app: Celery, node: str, hostname: str) -> None:
        self._app, self._node, self._hostname = app, node, hostname
        self._stopped = threading.Event()
        self._taken: set[str] = set()

    def start(self, **kwargs: Any) -> None:
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def stop(self, **kwargs: Any) -> None:
        """Leave at once, so that nobody asks this node any more."""
        self._stopped.set()
        self._try(lambda: withdraw(self._node))

    def _run(self) -> None:
        warm_up()  # nobody shall wait for kernels to be compiled
        while not self._stopped.is_set():
            self._try(self._beat)
            self._stopped.wait(EVERY_S)

    def _beat(self) -> None:
        stores = held_here()
        for name in stores.keys() - self._taken:
            self._app.control.add_consumer(queue_of(name), destination=[self._hostname])
            logger.info("Serving %s", name)
        for name in self._taken - stores.keys():
            self._app.control.cancel_consumer(queue_of(name), destination=[self._hostname])
            logger.info("No longer serving %s", name)
        self._taken = set(stores)
        announce(self._node, stores)

    def _try(self, act: Any) -> None:
        try:
            act()
        except (redis.RedisError, OSError) as error:
            logger.warning("Redis does not answer (%s); trying again.", type(error).__name__)
