"""One slot of the supervisor: a process, its row in the database, and what is being done with it.

Slow work (starting, loading, stopping, asking for health) runs in the slot's own thread; the supervisor's
thread asks `watch` at every tick how it went, and is the only one that touches the database.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from playground.core.placement import Slot, SlotState
from playground.gateway.leases import living_leases
from playground.models import Engine, EngineState
from training.core.errors import EngineStartError
from training.core.serving.engine_process import EngineConfig, EngineProcess
from training.models import Checkpoint

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 600.0
HEALTH_EVERY_S = 3.0
SICK_AFTER = 3
"""So many health checks in a row without an answer (of 10 s each) end the process."""

PLACED = {
    EngineState.STARTING: SlotState.BUSY,
    EngineState.LOADING: SlotState.BUSY,
    EngineState.READY: SlotState.READY,
    EngineState.DRAINING: SlotState.DRAINING,
}


class EngineSlot:
    """`state` and `checkpoint` are what the database says too, once the call that changed them returns."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.process = EngineProcess(config)
        self.state = EngineState.STOPPED
        self.checkpoint: Checkpoint | None = None
        self.ready_since = 0.0
        self._ending = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"engine-{config.slot}")
        self._task: Future[None] | None = None
        self._check: Future[bool] | None = None
        self._checked_at = 0.0
        self._missed = 0
        Engine.objects.update_or_create(slot=config.slot, defaults=self._row(EngineState.STOPPED))

    def start(self, checkpoint: Checkpoint) -> None:
        """Start a process on the checkpoint, after ending the one that may be there."""
        logger.info("Engine %s starts on %s", self.config.slot, checkpoint.name)
        self.checkpoint = checkpoint
        self._save(EngineState.STARTING, checkpoint=checkpoint, started_at=timezone.now(), error="")
        self._run(self._start, checkpoint)

    def restart(self, checkpoint: Checkpoint) -> None:
        if self._claim(EngineState.STARTING, checkpoint):
            self.start(checkpoint)

    def swap(self, checkpoint: Checkpoint) -> None:
        """Load the checkpoint's weights into the running process, unless an answer has begun meanwhile."""
        if self._claim(EngineState.LOADING, checkpoint):
            logger.info("Engine %s loads %s", self.config.slot, checkpoint.name)
            self._run(self.process.load, checkpoint.path)

    def drain(self) -> None:
        self._save(EngineState.DRAINING)

    def resume(self) -> None:
        self._save(EngineState.READY)

    def unload(self) -> None:
        """End the process and free its memory, unless an answer has begun meanwhile."""
        if self._claim(EngineState.STOPPED, None):
            logger.info("Engine %s ends: nobody uses it", self.config.slot)
            self._save(EngineState.STOPPED, pid=None, address="")
            self._thread.submit(self.process.stop)

    def watch(self) -> str:
        """Look after it; gives the reason if it has just failed, else nothing."""
        if self._task is not None:
            return self._finish_task() if self._task.done() else ""
        if self.state not in {EngineState.READY, EngineState.DRAINING}:
            return ""
        if self.process.has_ended():
            return self._fail(f"The engine ended by itself. {self.process.last_words()}")
        return self._follow_health()

    def seen(self, engine: Engine | None, leased: bool, shape: str) -> Slot:
        """The slot as the planner sees it."""
        placed = PLACED.get(self.state, SlotState.EMPTY)
        used = [at for at in (engine.used_at, engine.ready_at) if at] if engine else []
        idle_s = (timezone.now() - max(used)).total_seconds() if used else 0.0
        held = self.checkpoint.pk if self.checkpoint and placed is not SlotState.EMPTY else None
        starting = self.state == EngineState.STARTING
        return Slot(self.config.slot, placed, held, shape, leased, starting, idle_s)

    def beat(self) -> None:
        """Say that this slot is looked after. Its row is written anew if somebody deleted it."""
        alive = {"heartbeat_at": timezone.now()}
        if not Engine.objects.filter(slot=self.config.slot).update(**alive):
            process = {"kind": self.process.kind, "address": self.process.address, "pid": self.process.pid}
            held = Checkpoint.objects.filter(pk=self.checkpoint.pk).first() if self.checkpoint else None
            row = self._row(self.state) | process | {"checkpoint": held, "ready_at": timezone.now()}
            Engine.objects.create(slot=self.config.slot, **row)

    def ask_to_stop(self) -> None:
        self.process.ask_to_stop()

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._ending.set()
        self.process.ask_to_stop()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self.process.stop()
        self._save(EngineState.STOPPED, checkpoint=None, pid=None)

    def _start(self, checkpoint: Checkpoint) -> None:
        """In the slot's thread: returns when the engine answers with its checkpoint loaded."""
        self.process.stop()
        self.process.start(checkpoint.path)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.process.is_healthy():
            if self.process.has_ended() or self._ending.is_set():
                raise EngineStartError(f"The engine did not start. {self.process.last_words()}")
            if time.monotonic() > deadline:
                raise EngineStartError(f"The engine was not ready after {START_TIMEOUT_S:.0f} s.")
            time.sleep(0.2)
        if self.process.kind != "vllm":
            self.process.load(checkpoint.path)

    def _run(self, work: Callable[..., None], *args: Any) -> None:
        self._task = self._thread.submit(work, *args)

    def _finish_task(self) -> str:
        assert self._task is not None
        task, self._task = self._task, None
        if error := task.exception():
            if not isinstance(error, EngineStartError):
                logger.error("Engine %s", self.config.slot, exc_info=error)
            return self._fail(str(error))
        self.ready_since = self._checked_at = time.monotonic()
        self._missed = 0
        reason = self.process.reason
        self._save(
            EngineState.READY,
            kind=self.process.kind,
            address=self.process.address,
            pid=self.process.pid,
            ready_at=timezone.now(),
            error=f"Served by transformers, which is slower than vLLM ({reason})." if reason else "",
        )
        return ""

    def _follow_health(self) -> str:
        now = time.monotonic()
        if self._check is None and now - self._checked_at >= HEALTH_EVERY_S:
            self._check, self._checked_at = self._thread.submit(self.process.is_healthy), now
        if self._check is None or not self._check.done():
            return ""
        check, self._check = self._check, None
        self._missed = 0 if check.result() else self._missed + 1
        return self._fail("The engine does not answer any more.") if self._missed >= SICK_AFTER else ""

    def _fail(self, reason: str) -> str:
        logger.error("Engine %s failed: %s", self.config.slot, reason)
        self.process.stop(grace_s=0)
        self._save(EngineState.FAILED, error=reason[:2000], pid=None, restarts=F("restarts") + 1)
        return reason

    def _claim(self, state: EngineState, checkpoint: Checkpoint | None) -> bool:
        """Take the engine from its checkpoint for another or none, unless an answer holds it."""
        with transaction.atomic():
            engine = Engine.objects.select_for_update().filter(slot=self.config.slot).first()
            if engine is None or living_leases(engine).exists():
                return False
            self._save(state, checkpoint=checkpoint)
        self.checkpoint = checkpoint
        return True

    def _save(self, state: EngineState, **fields: Any) -> None:
        Engine.objects.filter(slot=self.config.slot).update(
            **fields, state=state, heartbeat_at=timezone.now()
        )
        self.state = state

    def _row(self, state: EngineState) -> dict[str, Any]:
        row = {"kind": "", "checkpoint": None, "address": "", "pid": None, "error": "", "restarts": 0}
        return row | {"state": state, "heartbeat_at": timezone.now()}
