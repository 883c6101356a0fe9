"""Which engine an answer goes to, decided in memory, and one lease for all answers of this process on it.

A lease in the database for each answer would cost it several milliseconds. The process looks at the engines
twice a second while answers are being written; whatever is older than two seconds is looked at again first.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from django.db import DatabaseError
from django.utils import timezone

from playground.core.breaker import Breaker
from playground.core.routing import Candidate, Router
from playground.database import in_database
from playground.gateway.leases import LEASE_S, EngineSeen, Look, give_back, look_at_engines, renew, take_lease

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
LOOK_AGAIN_S = 0.1
"""Whoever finds no engine has the engines looked at again after this long."""
STALE_S = 2.0
RENEW_EVERY_S = LEASE_S / 4
LINGER_S = 1.0
"""A lease without answers is kept so long for the next one."""
MARGIN = timedelta(seconds=LEASE_S / 4)
"""Nobody joins a lease that ends sooner."""


@dataclass(eq=False)
class Hold:
    """This process's lease on one engine. `adapters`: those that it is known to have loaded."""

    engine: EngineSeen
    lease: int
    expires_at: datetime
    answers: int = 0
    idle_since: float = 0.0
    open: bool = True
    adapters: set[str] = field(default_factory=set)

    def may_be_joined(self, engine: EngineSeen) -> bool:
        return self.open and key(self.engine) == key(engine) and timezone.now() < self.expires_at - MARGIN


class Gate:
    """One for each event loop; use `gate()`."""

    def __init__(self) -> None:
        self.engines: dict[int, EngineSeen] = {}
        self.holds: list[Hold] = []
        self.router, self.breaker = Router(), Breaker()
        self.looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._taking: dict[int, asyncio.Task[Hold | None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._renewed_at = 0.0

    async def holders(self, checkpoint: int) -> list[EngineSeen]:
        """The engines that hold it and take new answers."""
        found = self._known(checkpoint) if self._age() < STALE_S else []
        if not found and self._age() >= LOOK_AGAIN_S:
            await self._look_once()
            found = self._known(checkpoint)
        return found

    async def take(
        self, checkpoint: int, prompt_ids: Sequence[int] = (), avoid: Collection[int] = ()
    ) -> Hold | None:
        """A hold on the engine that is to answer; None if there is none now. Give it to `leave` afterwards.

        Engines in `avoid` are taken only where there is no other.
        """
        able = [e for e in await self.holders(checkpoint) if not self.breaker.rests_s(key(e), self._now())]
        able = [e for e in able if e.slot not in avoid] or able
        if not able:
            return None
        chosen = self.router.choose([Candidate(e.slot, self.load(e)) for e in able], prompt_ids)
        engine = self.engines[chosen]
        hold = self._joinable(engine) or await self._opened(engine)
        if hold is not None:
            hold.answers += 1
            self.breaker.begin(key(engine), self._now())
            self._keep_watch()
        return hold

    def leave(self, hold: Hold) -> None:
        """An answer on it has ended."""
        hold.answers -= 1
        hold.idle_since = self._now()
        if not hold.answers and not hold.open:
            self._give_back(hold)

    def failed(self, hold: Hold) -> None:
        self.breaker.failed(key(hold.engine), self._now())

    def succeeded(self, hold: Hold) -> None:
        self.breaker.succeeded(key(hold.engine))

    def load(self, engine: EngineSeen) -> int:
        return engine.elsewhere + sum(h.answers for h in self.holds if h.engine.slot == engine.slot)

    def resting_s(self, checkpoint: int) -> float:
        """How long until an engine of the checkpoint is asked again after failures; 0 if that is not why."""
        rests = [self.breaker.rests_s(key(engine), self._now()) for engine in self._known(checkpoint)]
        return min(rests, default=0.0)

    def _joinable(self, engine: EngineSeen) -> Hold | None:
        return next((hold for hold in self.holds if hold.may_be_joined(engine)), None)

    async def _opened(self, engine: EngineSeen) -> Hold | None:
        """One task takes the lease for all who come meanwhile; it does not end with any of them."""
        taking = self._taking.get(engine.slot)
        if taking is None:
            taking = self._taking[engine.slot] = asyncio.ensure_future(self._open(engine))
            taking.add_done_callback(lambda _: self._taking.pop(engine.slot, None))
        return await asyncio.shield(taking)

    async def _open(self, engine: EngineSeen) -> Hold | None:
        lease = await in_database(take_lease, engine)
        if lease is None:
            self.engines.pop(engine.slot, None)
            return None
        hold = Hold(engine, lease.pk, lease.expires_at, idle_since=self._now())
        self.holds.append(hold)
        self._keep_watch()
        return hold

    def _keep_watch(self) -> None:
        if self._watch is None or self._watch.done():
            self._renewed_at = self._now()
            self._watch = asyncio.ensure_future(self._watch_holds())

    async def _watch_holds(self) -> None:
        """While this process holds anything: see what became of it, prolong it, let go of what is idle."""
        while self.holds:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look_once()
                if self._now() - self._renewed_at >= RENEW_EVERY_S:
                    await self._renew()
            except DatabaseError:
                logger.exception("The engines cannot be looked at; trying again")
            self._let_go_of_the_idle()

    async def _renew(self) -> None:
        holds = list(self.holds)
        until = await in_database(renew, {hold.lease: hold.answers for hold in holds})
        for hold in holds:
            hold.expires_at = until
        self._renewed_at = self._now()

    def _let_go_of_the_idle(self) -> None:
        for hold in list(self.holds):
            if not hold.answers and (not hold.open or self._now() - hold.idle_since >= LINGER_S):
                self._give_back(hold)

    def _give_back(self, hold: Hold) -> None:
        """Nobody joins it any more."""
        hold.open = False
        self.holds.remove(hold)
        task = asyncio.ensure_future(in_database(give_back, hold.lease))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _look_once(self) -> None:
        """One look at a time, which everyone who asks meanwhile shares."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        leases = {hold.lease: hold for hold in self.holds}
        began = self._now()
        look = await in_database(look_at_engines, list(leases))
        self._see(look)
        self.looked_at = began
        for lease, hold in leases.items():
            hold.open = lease in look.leases and self._still_there(hold)

    def _see(self, look: Look) -> None:
        engines = {engine.slot: engine for engine in look.engines}
        for slot, engine in self.engines.items():
            if slot not in engines or engines[slot].since != engine.since:
                self.router.forget(slot)
        self.engines = engines
        self.breaker.keep_only({key(engine) for engine in engines.values()})

    def _still_there(self, hold: Hold) -> bool:
        engine = self.engines.get(hold.engine.slot)
        return engine is not None and key(engine) == key(hold.engine)

    def _known(self, checkpoint: int) -> list[EngineSeen]:
        return [engine for engine in self.engines.values() if engine.checkpoint == checkpoint]

    def _age(self) -> float:
        return self._now() - self.looked_at

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, Gate] = WeakKeyDictionary()


def gate() -> Gate:
    """This event loop's."""
    loop = asyncio.get_running_loop()
    if loop not in _gates:
        _gates[loop] = Gate()
    return _gates[loop]


def key(engine: EngineSeen) -> tuple[int, int, datetime | None]:
    """Another one for each load of each engine."""
    return engine.slot, engine.checkpoint, engine.since
