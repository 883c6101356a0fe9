"""Makes the engines of this node be what the deployments ask for, tick by tick."""

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from playground.core.placement import Action, Slot, Verb, Want, plan
from playground.engine_slot import EngineSlot
from playground.engines import pin_heads
from playground.models import Deployment, Engine, EngineLease, EngineState
from training.core.errors import EngineStartError
from training.core.serving import model_files
from training.core.serving.engine_leftovers import end_leftovers
from training.core.serving.engine_process import EngineConfig
from training.heads import EXPERIMENTS
from training.models import Checkpoint

logger = logging.getLogger(__name__)

TICK_S = 0.2
SLOW_TICK_S = 2.0
ASKED_S = 3.0
"""Whoever waits for a checkpoint asks again every second; so long after the last time nobody does."""
WANTED_S = 600.0
STEADY_S = 60.0
"""An engine that ran so long is past its failures."""
FIRST_BACK_OFF_S, LAST_BACK_OFF_S = 0.5, 60.0


@dataclass
class Failures:
    """When a checkpoint that failed may be tried again: after a wait that doubles each time."""

    counts: dict[int, int] = field(default_factory=dict)
    until: dict[int, float] = field(default_factory=dict)

    def add(self, checkpoint: int) -> None:
        count = self.counts[checkpoint] = self.counts.get(checkpoint, 0) + 1
        wait_s = min(FIRST_BACK_OFF_S * 4 ** (count - 1), LAST_BACK_OFF_S)
        self.until[checkpoint] = time.monotonic() + wait_s

    def forget(self, checkpoint: int) -> None:
        self.counts.pop(checkpoint, None)

    def cooling(self, checkpoint: int) -> bool:
        return time.monotonic() < self.until.get(checkpoint, 0.0)


class Supervisor:
    """Runs until it is told to stop; then no engine of its own is left. One at a time a run directory."""

    def __init__(self, configs: list[EngineConfig]) -> None:
        ended = end_leftovers(configs[0].run_directory)
        if ended:
            logger.warning("Ended %s engines that an earlier supervisor left.", ended)
        EngineLease.objects.all().delete()
        Engine.objects.exclude(slot__in=[config.slot for config in configs]).delete()
        self.slots = {config.slot: EngineSlot(config) for config in configs}
        self.failures = Failures()
        self._asked_since: dict[int, float] = {}
        self._slow_tick_at = 0.0

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.wait(TICK_S):
                self._tick_safely()
        finally:
            self.stop()

    def stop(self) -> None:
        for slot in self.slots.values():
            slot.ask_to_stop()
        for slot in self.slots.values():
            slot.stop()

    def tick(self) -> None:
        for slot in self.slots.values():
            self._watch(slot)
        if time.monotonic() - self._slow_tick_at >= SLOW_TICK_S:
            self._slow_tick_at = time.monotonic()
            self._slow_tick()
        wanted = wanted_checkpoints()
        wants = [want for one in wanted if (want := self._want(one))]
        by_id = {one.checkpoint.pk: one.checkpoint for one in wanted}
        for action in plan(self._seen(), wants, unload_after_s=settings.UNLOAD_AFTER_S):
            self._do(action, by_id)

    def _tick_safely(self) -> None:
        """A database that is away, locked or full for a while must not end the engines."""
        try:
            self.tick()
        except DatabaseError:
            logger.exception("The database refused; trying again")
            connection.close()

    def _watch(self, slot: EngineSlot) -> None:
        failed = slot.watch()
        if slot.checkpoint is None:
            return
        if failed:
            self.failures.add(slot.checkpoint.pk)
        elif slot.state == EngineState.READY and time.monotonic() - slot.ready_since > STEADY_S:
            self.failures.forget(slot.checkpoint.pk)

    def _slow_tick(self) -> None:
        pin_heads()
        for slot in self.slots.values():
            slot.beat()
        EngineLease.objects.filter(expires_at__lt=timezone.now()).delete()

    def _seen(self) -> list[Slot]:
        engines = {engine.slot: engine for engine in Engine.objects.all()}
        leases = EngineLease.objects.filter(expires_at__gt=timezone.now())
        leased = set(leases.values_list("engine__slot", flat=True))
        return [
            slot.seen(engines.get(number), number in leased, shape_of(slot.checkpoint) or "")
            for number, slot in self.slots.items()
        ]

    def _want(self, wanted: "Wanted") -> Want | None:
        pk = wanted.checkpoint.pk
        if wanted.asked:
            self._asked_since.setdefault(pk, time.monotonic())
        else:
            self._asked_since.pop(pk, None)
        if self.failures.cooling(pk):
            return None
        shape = shape_of(wanted.checkpoint)
        if shape is None:
            self.failures.add(pk)
            return None
        since = self._asked_since.get(pk)
        waited_s = None if since is None else time.monotonic() - since
        return Want(pk, shape, wanted.kept, waited_s, wanted.replicas)

    def _do(self, action: Action, checkpoints: dict[int, Checkpoint]) -> None:
        slot = self.slots[action.slot]
        match action.verb:
            case Verb.START:
                slot.start(checkpoints[action.checkpoint])
            case Verb.RESTART:
                slot.restart(checkpoints[action.checkpoint])
            case Verb.SWAP:
                slot.swap(checkpoints[action.checkpoint])
            case Verb.DRAIN:
                slot.drain()
            case Verb.RESUME:
                slot.resume()
            case Verb.UNLOAD:
                slot.unload()


@dataclass(frozen=True)
class Wanted:
    """A checkpoint that should be served: `kept` even if nobody `asked` just now."""

    checkpoint: Checkpoint
    kept: bool
    asked: bool
    replicas: int = 1


def wanted_checkpoints() -> list[Wanted]:
    """Pinned ones first, then the newest, then those that chats asked for, the latest first. Experiments on a
    base model are not made ready before anyone asks for them."""
    now = timezone.now()
    deployments = list(Deployment.objects.select_related("checkpoint__base").order_by("pk"))
    asked_at = {d.checkpoint_id: d.wanted_at for d in deployments if d.wanted_at}
    recent = [d for d in deployments if d.wanted_at and now - d.wanted_at < timedelta(seconds=WANTED_S)]
    recent.sort(key=lambda d: d.wanted_at, reverse=True)
    kept = [d.checkpoint.host for d in deployments if d.pinned]
    newest = Checkpoint.objects.exclude(stage__in=EXPERIMENTS).order_by("-created_at", "-id")[:1]
    kept += [checkpoint.host for checkpoint in newest]
    ordered = {checkpoint.pk: checkpoint for checkpoint in [*kept, *(d.checkpoint for d in recent)]}
    kept_ids = {checkpoint.pk for checkpoint in kept}
    fresh = {pk for pk, at in asked_at.items() if now - at < timedelta(seconds=ASKED_S)}
    replicas = {d.checkpoint_id: d.replicas for d in deployments if d.pinned}
    return [
        Wanted(checkpoint, pk in kept_ids, pk in fresh, replicas.get(pk, 1))
        for pk, checkpoint in ordered.items()
    ]


def shape_of(checkpoint: Checkpoint | None) -> str | None:
    """Between which checkpoints weights can be swapped; None for one that cannot be served at all."""
    if checkpoint is None or checkpoint.damage:
        return None
    try:
        return model_files.weights_shape(checkpoint.path)
    except (EngineStartError, OSError) as error:
        logger.warning("%s cannot be served: %s", checkpoint, error)
        return None
