"""Which engine should hold which checkpoint: one decision, made anew at every tick from what is the case."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

PATIENCE_S = 5.0
"""Somebody who has waited this long makes a busy engine finish its answers and take no new ones."""
HOLD_S = 1.5
"""A checkpoint that was asked for a moment ago keeps its engine this long, so that whoever asked gets it."""
RETURN_AFTER_S = 15.0
"""An engine that somebody borrowed goes back to a kept checkpoint after this much rest, if that is quick."""
RESTART_AFTER_S = 60.0
"""And after this much, if it takes a new process."""


class SlotState(Enum):
    EMPTY = "no process"
    BUSY = "starting or loading"
    READY = "serves"
    DRAINING = "serves what it has begun"


SERVING = (SlotState.READY, SlotState.BUSY)


@dataclass(frozen=True)
class Slot:
    """One engine as it is. `shape` tells between which checkpoints weights can be swapped in place."""

    number: int
    state: SlotState
    checkpoint: int | None = None
    shape: str = ""
    leased: bool = False
    starting: bool = False
    idle_s: float = 0.0

    @property
    def idle(self) -> bool:
        return self.state in {SlotState.READY, SlotState.DRAINING} and not self.leased


@dataclass(frozen=True)
class Want:
    """A checkpoint to hold. `kept`: even if nobody asks, by so many engines as `replicas` says if there are
    enough. `waited_s`: how long somebody has been asking."""

    checkpoint: int
    shape: str
    kept: bool = False
    waited_s: float | None = None
    replicas: int = 1


class Verb(Enum):
    START = "start a process"
    SWAP = "load weights in place"
    RESTART = "end the process and start another"
    DRAIN = "take no new answers"
    RESUME = "take new answers again"
    UNLOAD = "end the process"


@dataclass(frozen=True)
class Action:
    verb: Verb
    slot: int
    checkpoint: int | None = None


def plan(slots: Sequence[Slot], wants: Sequence[Want], *, unload_after_s: float = 0.0) -> list[Action]:
    """What to do now, at most one action a slot. `wants` come in order of importance, the kept ones first.

    An engine that has no place by them and rested for `unload_after_s` ends; 0: never.
    """
    planner = _Planner(list(slots), list(wants))
    planner.serve_those_who_wait()
    planner.resume()
    planner.restore_what_is_kept()
    if unload_after_s:
        planner.unload(unload_after_s)
    return planner.actions


def places(wants: Sequence[Want], engines: int) -> Counter[int]:
    """How many of the engines each checkpoint has a right to: every kept one has one before any has two."""
    kept = [want for want in wants if want.kept]
    most = max((want.replicas for want in kept), default=1)
    further = [want for copy in range(2, most + 1) for want in kept if want.replicas >= copy]
    others = [want for want in wants if not want.kept]
    return Counter(want.checkpoint for want in [*kept, *further, *others][:engines])


class _Planner:
    def __init__(self, slots: list[Slot], wants: list[Want]) -> None:
        self.slots = {slot.number: slot for slot in slots}
        self.wants = wants
        self.actions: list[Action] = []
        self.asked = {want.checkpoint for want in wants if want.waited_s is not None}
        self.residents = places(wants, len(slots))

    def serve_those_who_wait(self) -> None:
        # A draining engine answers nobody new, so for them what it holds is held by nobody.
        waiting = [w for w in self.wants if w.waited_s is not None and not self._held(w, *SERVING)]
        self.unserved = [want for want in sorted(waiting, key=longest_first) if not self._serve(want)]

    def _serve(self, want: Want) -> bool:
        """Find it an engine: quickest first. Kept checkpoints lend theirs only if nothing else will do."""
        idle = [slot for slot in self.slots.values() if slot.idle and not self._just_asked_for(slot)]
        idle.sort(key=lambda slot: (not self._surplus(slot), -slot.idle_s))
        alike = [slot for slot in idle if slot.shape == want.shape]
        empty = [slot for slot in self.slots.values() if slot.state is SlotState.EMPTY]
        if alike:
            return self._do(Verb.SWAP, alike[0], want)
        if self._starting():
            return False
        if empty or idle:
            return self._do(Verb.START if empty else Verb.RESTART, (empty or idle)[0], want)
        if want.waited_s is not None and want.waited_s >= PATIENCE_S:
            self._drain_one()
        return False

    def _drain_one(self) -> None:
        if any(slot.state is SlotState.DRAINING for slot in self.slots.values()):
            return
        busy = [slot for slot in self.slots.values() if slot.state is SlotState.READY and slot.leased]
        if busy:
            slot = min(busy, key=lambda slot: (not self._surplus(slot), slot.number))
            self.actions.append(Action(Verb.DRAIN, slot.number))
            self.slots[slot.number] = replace(slot, state=SlotState.DRAINING)

    def restore_what_is_kept(self) -> None:
        for want in self.wants:
            missing = self.residents[want.checkpoint] - self._holders(want.checkpoint)
            for _ in range(missing if want.kept else 0):
                self._restore(want)

    def unload(self, after_s: float) -> None:
        for slot in self._rested(after_s):
            if self._surplus(slot):
                self.actions.append(Action(Verb.UNLOAD, slot.number))
                self.slots[slot.number] = Slot(slot.number, SlotState.EMPTY)

    def _rested(self, for_s: float) -> list[Slot]:
        return [
            slot
            for slot in self.slots.values()
            if slot.idle and slot.idle_s >= for_s and slot.checkpoint not in self.asked
        ]

    def _surplus(self, slot: Slot) -> bool:
        """Whether its checkpoint is held more often than it has a right to."""
        return slot.checkpoint is None or self._holders(slot.checkpoint) > self.residents[slot.checkpoint]

    def _holders(self, checkpoint: int) -> int:
        return sum(s.checkpoint == checkpoint for s in self.slots.values() if s.state is not SlotState.EMPTY)

    def _restore(self, want: Want) -> None:
        rested = [slot for slot in self._rested(RETURN_AFTER_S) if self._surplus(slot)]
        alike = [slot for slot in rested if slot.shape == want.shape]
        empty = [slot for slot in self.slots.values() if slot.state is SlotState.EMPTY]
        others = [slot for slot in rested if slot.idle_s >= RESTART_AFTER_S]
        if alike:
            self._do(Verb.SWAP, alike[0], want)
        elif not self._starting() and (empty or others):
            self._do(Verb.START if empty else Verb.RESTART, (empty or others)[0], want)

    def resume(self) -> None:
        """Engines that were to be given away go on where nobody waits for them any more."""
        if self.unserved:
            return
        for slot in self.slots.values():
            if slot.state is SlotState.DRAINING:
                self.actions.append(Action(Verb.RESUME, slot.number))
                self.slots[slot.number] = replace(slot, state=SlotState.READY, idle_s=0.0)

    def _do(self, verb: Verb, slot: Slot, want: Want) -> bool:
        self.actions.append(Action(verb, slot.number, want.checkpoint))
        self.slots[slot.number] = Slot(
            slot.number, SlotState.BUSY, want.checkpoint, want.shape, starting=verb is not Verb.SWAP
        )
        return True

    def _held(self, want: Want, *states: SlotState) -> bool:
        return any(s.checkpoint == want.checkpoint for s in self.slots.values() if s.state in states)

    def _just_asked_for(self, slot: Slot) -> bool:
        fresh = slot.state is SlotState.READY and slot.idle_s < HOLD_S
        return fresh and slot.checkpoint in self.asked

    def _starting(self) -> bool:
        """Engines start one after another: the first is in use while the second starts."""
        return any(slot.starting for slot in self.slots.values())


def longest_first(want: Want) -> float:
    return -(want.waited_s or 0.0)
