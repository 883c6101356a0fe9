"""One lease a process and engine: shared by its answers, given back when they are over."""

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from playground.core.breaker import FAILURES
from playground.database import in_database
from playground.gateway.gate import Gate, Hold
from playground.models import Engine, EngineLease, EngineState
from tests.playground.conftest import until
from training.models import Checkpoint

pytestmark = pytest.mark.django_db(transaction=True)


def serve(*slots: int, name: str = "gate-model") -> Checkpoint:
    """A checkpoint that engines in these slots hold."""
    checkpoint, _ = Checkpoint.objects.get_or_create(
        name=name, defaults={"stage": "x", "step": 1, "steps": 1, "chat": "chatml"}
    )
    now = timezone.now()
    for slot in slots:
        Engine.objects.create(
            slot=slot,
            kind="vllm",
            state=EngineState.READY,
            checkpoint=checkpoint,
            address=f"unix:///nowhere/{slot}",
            ready_at=now,
            heartbeat_at=now + timedelta(hours=1),
        )
    return checkpoint


async def taken(gate: Gate, checkpoint: Checkpoint, **options: object) -> Hold:
    hold = await gate.take(checkpoint.pk, **options)
    assert hold is not None
    return hold


def leases() -> int:
    return EngineLease.objects.count()


async def test_answers_that_come_at_once_share_one_lease_until_the_last_has_ended() -> None:
    checkpoint, gate = await in_database(serve, 0), Gate()
    holds = await asyncio.gather(*(taken(gate, checkpoint) for _ in range(20)))
    assert await in_database(leases) == 1
    for hold in holds[1:]:
        gate.leave(hold)
    await asyncio.sleep(1.6)
    assert await in_database(leases) == 1
    gate.leave(holds[0])
    await until(lambda: leases() == 0)


async def test_who_leaves_before_the_lease_is_there_keeps_nothing() -> None:
    checkpoint, gate = await in_database(serve, 0), Gate()
    await gate.holders(checkpoint.pk)
    taking = asyncio.create_task(gate.take(checkpoint.pk))
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    await until(lambda: leases() == 0)


async def test_answers_are_spread_over_the_engines_that_hold_the_model() -> None:
    checkpoint, gate = await in_database(serve, 0, 1, 2), Gate()
    holds = [await taken(gate, checkpoint) for _ in range(9)]
    assert sorted(hold.engine.slot for hold in holds) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for hold in holds:
        gate.leave(hold)
    await until(lambda: leases() == 0)


async def test_what_other_processes_write_counts_too() -> None:
    checkpoint, gate = await in_database(serve, 0, 1), Gate()
    busy = await in_database(Engine.objects.get, slot=0)
    end = timezone.now() + timedelta(minutes=1)
    await in_database(EngineLease.objects.create, engine=busy, expires_at=end, answers=40)
    holds = [await taken(gate, checkpoint) for _ in range(5)]
    assert {hold.engine.slot for hold in holds} == {1}
    for hold in holds:
        gate.leave(hold)
    await until(lambda: leases() == 1)


async def test_an_engine_that_drains_takes_no_new_answers_and_is_let_go_at_once() -> None:
    checkpoint, gate = await in_database(serve, 0), Gate()
    hold = await taken(gate, checkpoint)
    await in_database(Engine.objects.update, state=EngineState.DRAINING)
    await until(lambda: not hold.open)
    assert await gate.take(checkpoint.pk) is None
    assert await in_database(leases) == 1
    gate.leave(hold)
    await until(lambda: leases() == 0)


async def test_an_engine_that_was_given_to_another_model_is_never_leased_for_the_old_one() -> None:
    checkpoint, gate = await in_database(serve, 0), Gate()
    assert len(await gate.holders(checkpoint.pk)) == 1
    other = await in_database(serve, name="gate-other")
    await in_database(Engine.objects.update, checkpoint=other, ready_at=timezone.now())
    assert await gate.take(checkpoint.pk) is None
    assert await in_database(leases) == 0


async def test_a_lease_that_was_taken_away_is_not_joined() -> None:
    checkpoint, gate = await in_database(serve, 0), Gate()
    first = await taken(gate, checkpoint)
    await in_database(EngineLease.objects.all().delete)
    await until(lambda: not first.open)
    second = await taken(gate, checkpoint)
    assert second is not first
    gate.leave(first)
    gate.leave(second)
    await until(lambda: leases() == 0)


async def test_an_engine_that_keeps_failing_is_passed_by() -> None:
    checkpoint, gate = await in_database(serve, 0, 1), Gate()
    for _ in range(FAILURES):
        hold = await taken(gate, checkpoint, avoid=[1])
        gate.failed(hold)
        gate.leave(hold)
    holds = [await taken(gate, checkpoint) for _ in range(4)]
    assert {hold.engine.slot for hold in holds} == {1}
    assert gate.resting_s(checkpoint.pk) == 0
    for hold in holds:
        gate.leave(hold)
    await until(lambda: leases() == 0)


async def test_the_one_that_broke_off_is_asked_again_only_where_there_is_no_other() -> None:
    checkpoint, gate = await in_database(serve, 0, 1), Gate()
    slots = [(await taken(gate, checkpoint, avoid=avoid)).engine.slot for avoid in ([0], [1], [0, 1])]
    assert slots[:2] == [1, 0]
    assert slots[2] in {0, 1}
    for hold in list(gate.holds):
        while hold.answers:
            gate.leave(hold)
    await until(lambda: leases() == 0)
