"""Engines as the rest of the site sees them: leases on those that run, wants for those that should."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from playground.core.engine_client import load_adapter
from playground.core.errors import EngineRefused, EngineUnavailable
from playground.database import in_database
from playground.gateway.gate import Hold, gate
from playground.gateway.leases import HEARTBEAT_S
from playground.models import STILL_ASKED, Deployment, Engine, EngineState
from training.core.errors import EngineStartError
from training.core.serving import model_files
from training.core.serving.engine_process import SERVED_NAME
from training.heads import find_heads
from training.models import Checkpoint

POLL_S = 0.1
ASK_AGAIN_S = 1.0
WAIT_S = 180.0
SUPERVISOR_GRACE_S = 20.0
FAILURE_GRACE_S = 10.0

ADAPTER_RANK = 64
"""The highest rank of LoRA adapters that engines take."""

INSTALLING = "the engine is still being installed"
NOT_STARTED = "waiting for the engines to start"
UNSURE = {INSTALLING, NOT_STARTED}
"""While this is what is waited for, nobody knows yet whether an engine will come."""

OnWait = Callable[[str], Awaitable[None]]
Found = TypeVar("Found")


@dataclass(frozen=True)
class LeasedEngine:
    """An engine that keeps its weights until the lease is given back."""

    hold: Hold
    slot: int
    address: str
    kind: str
    served: str = SERVED_NAME
    """What it calls the weights that were asked for."""

    @classmethod
    def under(cls, hold: Hold) -> Self:
        return cls(hold, hold.engine.slot, hold.engine.address, hold.engine.kind)

    def works(self) -> None:
        """It has begun to answer: whatever failed before is forgiven."""
        gate().succeeded(self.hold)

    def broke_off(self) -> None:
        """It failed; one that keeps failing is left alone for a while."""
        gate().failed(self.hold)


@asynccontextmanager
async def lease(
    checkpoint: Checkpoint, *, on_wait: OnWait | None = None, timeout_s: float = WAIT_S
) -> AsyncIterator[LeasedEngine]:
    """An engine that holds the checkpoint, for as long as the block runs.

    `on_wait` is told, each time it changes, what is being waited for. EngineUnavailable after `timeout_s`,
    or as soon as it is certain that none will come.
    """
    engine = None
    async with aclosing(acquire(checkpoint, timeout_s=timeout_s)) as steps:
        async for step in steps:
            if isinstance(step, LeasedEngine):
                engine = step
            elif on_wait is not None:
                await on_wait(step)
    assert engine is not None
    async with held(engine):
        yield engine


async def wait_until_loaded(
    checkpoint: Checkpoint, *, timeout_s: float = WAIT_S, patience_s: float = math.inf
) -> None:
    """Returns when an engine holds the checkpoint, without a hold on it; or after `patience_s` if by then it
    is known that one will. Raises as `lease` does."""
    began, reason = time.monotonic(), INSTALLING

    async def attempt(checkpoint: Checkpoint) -> bool | None:
        if reason not in UNSURE and time.monotonic() - began >= patience_s:
            return True
        return await is_loaded(checkpoint)

    async with aclosing(waiting(checkpoint, attempt, timeout_s)) as steps:
        async for step in steps:
            reason = step if isinstance(step, str) else reason


async def is_loaded(checkpoint: Checkpoint) -> bool | None:
    holders = await gate().holders(held_as(checkpoint))
    return True if holders and not gate().resting_s(held_as(checkpoint)) else None


async def has_another(checkpoint: Checkpoint, avoid: Collection[int]) -> bool:
    """Whether an engine that is not to be avoided holds the checkpoint."""
    return any(engine.slot not in avoid for engine in await gate().holders(held_as(checkpoint)))


def held_as(checkpoint: Checkpoint) -> int:
    """The checkpoint whose weights an engine must hold: an adapter's base, else its own."""
    return checkpoint.base_id or checkpoint.pk


async def acquire(
    checkpoint: Checkpoint,
    *,
    timeout_s: float = WAIT_S,
    prompt_ids: Sequence[int] = (),
    avoid: Collection[int] = (),
) -> AsyncIterator[str | LeasedEngine]:
    """What is waited for, as often as it changes, and last the engine; give it to `held` at once.

    Of several engines it is one that has read the prompt's beginning, or the least busy; one of the slots to
    `avoid` only where there is no other.
    """

    async def take(checkpoint: Checkpoint) -> LeasedEngine | None:
        hold = await gate().take(held_as(checkpoint), prompt_ids, avoid)
        return None if hold is None else LeasedEngine.under(hold)

    async with aclosing(waiting(checkpoint, take, timeout_s)) as steps:
        async for step in steps:
            yield await with_adapter(checkpoint, step) if isinstance(step, LeasedEngine) else step


async def with_adapter(checkpoint: Checkpoint, engine: LeasedEngine) -> LeasedEngine:
    """The engine, told of the adapter that the checkpoint is, if it is one. On EngineUnavailable the lease
    is given back."""
    if checkpoint.base_id is None:
        return engine
    name = f"{checkpoint.name}@{checkpoint.digest[-16:]}"
    if name in engine.hold.adapters:
        return replace(engine, served=name)
    try:
        if engine.kind != "vllm":
            raise EngineRefused("only vLLM serves adapters, and it is not installed here.")
        await load_adapter(engine.address, name, checkpoint.path)
    except BaseException as error:
        gate().leave(engine.hold)
        if isinstance(error, EngineRefused):
            raise EngineUnavailable(
                f"The adapter {checkpoint.name} cannot be served: {error} `manage.py merge_adapter "
                f"{checkpoint.name}` makes a whole checkpoint of it, which can."
            ) from error
        raise
    engine.hold.adapters.add(name)
    return replace(engine, served=name)


async def waiting(
    checkpoint: Checkpoint, attempt: Callable[[Checkpoint], Awaitable[Found | None]], timeout_s: float
) -> AsyncIterator[str | Found]:
    """Tries until it succeeds, and asks for the checkpoint meanwhile; gives reasons, then the find."""
    began, asked_at, told = time.monotonic(), float("-inf"), None
    while (found := await attempt(checkpoint)) is None:
        if time.monotonic() - asked_at >= ASK_AGAIN_S:
            asked_at = time.monotonic()
            await in_database(want, checkpoint)
            missing = await in_database(what_is_missing, checkpoint, asked_at - began, timeout_s)
            reason = resting_reason(checkpoint) or missing
            if reason != told:
                yield (told := reason)
        await asyncio.sleep(POLL_S)
    yield found


@asynccontextmanager
async def held(engine: LeasedEngine) -> AsyncIterator[None]:
    """Holds the engine for the block; the process's lease on it is renewed meanwhile."""
    try:
        yield
    finally:
        gate().leave(engine.hold)


def resting_reason(checkpoint: Checkpoint) -> str:
    """That the engines which hold the checkpoint failed too often to be asked at once, or nothing."""
    rest_s = gate().resting_s(held_as(checkpoint))
    return f"the engine of {checkpoint.name} keeps failing and is asked again in a moment" if rest_s else ""


def want(checkpoint: Checkpoint) -> None:
    """Ask for a checkpoint; asking again every second is what shows that somebody still waits."""
    now = timezone.now()
    deployment, _ = Deployment.objects.get_or_create(checkpoint=checkpoint.host)
    paused = deployment.wanted_at is None or now - deployment.wanted_at > STILL_ASKED
    since = now if paused or deployment.asked_since is None else deployment.asked_since
    Deployment.objects.filter(pk=deployment.pk).update(wanted_at=now, asked_since=since)


def place_in_queue(checkpoint: Checkpoint) -> int:
    """1 for the checkpoint whose engine comes next, one more for each that has been asked for longer and that
    no engine holds yet."""
    mine = Deployment.objects.filter(checkpoint=checkpoint.host).exclude(asked_since=None).first()
    if mine is None:
        return 1
    before = Q(asked_since__lt=mine.asked_since) | Q(asked_since=mine.asked_since, pk__lt=mine.pk)
    return 1 + Deployment.objects.waiting().filter(before).count()


def what_is_missing(checkpoint: Checkpoint, waited_s: float, timeout_s: float) -> str:
    """Why there is no engine yet, for whoever waits; EngineUnavailable where waiting has no point."""
    damaged = Checkpoint.objects.filter(pk__in={checkpoint.pk, checkpoint.host.pk}).exclude(damage="").first()
    if damaged is not None:
        raise EngineUnavailable(f"{checkpoint.name} cannot be served: {damaged.damage}")
    checkpoint = checkpoint.host
    try:
        model_files.weights_shape(checkpoint.path)
    except (EngineStartError, OSError) as error:
        raise EngineUnavailable(f"{checkpoint.name} cannot be served: {error}") from error
    heard = timezone.now() - timedelta(seconds=HEARTBEAT_S)
    engines = list(Engine.objects.filter(heartbeat_at__gte=heard))
    if not engines and waited_s >= SUPERVISOR_GRACE_S and not being_installed():
        raise EngineUnavailable("No engines run on this machine. Start them with `manage.py engines`.")
    mine = next((engine for engine in engines if engine.checkpoint_id == checkpoint.pk), None)
    reason = waiting_reason(checkpoint, engines, mine)
    if mine and mine.state == EngineState.FAILED and waited_s >= FAILURE_GRACE_S:
        raise EngineUnavailable(f"{checkpoint.name} cannot be served: {mine.error}")
    if waited_s >= timeout_s:
        raise EngineUnavailable(
            f"{checkpoint.name} was not ready after {waited_s:.0f} s: {reason}. Try again."
        )
    return reason


def waiting_reason(checkpoint: Checkpoint, engines: list[Engine], mine: Engine | None) -> str:
    if not engines:
        return INSTALLING if being_installed() else NOT_STARTED
    match mine.state if mine else None:
        case EngineState.STARTING:
            return f"starting an engine for {checkpoint.name}, which takes up to a minute"
        case EngineState.FAILED:
            return f"the engine of {checkpoint.name} failed and is started again"
        case EngineState.LOADING | EngineState.READY:
            return f"loading {checkpoint.name}"
    if any(engine.state == EngineState.STARTING for engine in engines):
        return f"{checkpoint.name} is loaded as soon as the engine has started"
    place = f"place {place_in_queue(checkpoint)} in the queue"
    return f"{checkpoint.name} is loaded as soon as an engine has finished its answers ({place})"


def being_installed() -> bool:
    """Whether the engines' Python environment is still being made; deploy/install-engine marks it."""
    return (settings.ENGINE_PYTHON.parent.parent / ".installing").exists()


def pin_heads() -> None:
    """Pin the think and the instruct model; those that they replace are let go.

    A head that a person unpinned stays unpinned.
    """
    heads = find_heads()
    known = set(Deployment.objects.filter(head=True).values_list("checkpoint", flat=True))
    if known == {head.pk for head in heads}:
        return
    with transaction.atomic():
        Deployment.objects.filter(head=True).exclude(checkpoint__in=heads).update(head=False, pinned=False)
        for head in heads:
            if head.pk not in known:
                Deployment.objects.update_or_create(checkpoint=head, defaults={"head": True, "pinned": True})
