"""What many requests look up at once is looked up once; what their answers took is written together."""

import asyncio
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.limits.spender import Spender
from accounts.models import Usage
from playground.gateway.ledger import Taken, write
from playground.gateway.once import once


class LookUp:
    """Finds what it is told to, once it may; counts how often it was asked."""

    def __init__(self) -> None:
        self.times, self.may_end = 0, asyncio.Event()

    async def __call__(self) -> str:
        self.times += 1
        await self.may_end.wait()
        return "found"


async def asked(look_up: Callable[[], object], times: int) -> list[asyncio.Task[str]]:
    tasks = [asyncio.create_task(once("key", look_up)) for _ in range(times)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_who_asks_for_the_same_meanwhile_shares_one_look_up() -> None:
    look_up = LookUp()
    tasks = await asked(look_up, 5)
    look_up.may_end.set()
    assert await asyncio.gather(*tasks) == ["found"] * 5
    assert look_up.times == 1
    assert await once("key", look_up) == "found"
    assert look_up.times == 2


async def test_who_leaves_does_not_end_it_for_the_others() -> None:
    look_up = LookUp()
    first, second = await asked(look_up, 2)
    first.cancel()
    await asyncio.wait([first])
    look_up.may_end.set()
    assert await second == "found"
    assert first.cancelled()


async def test_all_are_told_its_error_and_the_next_asks_anew() -> None:
    async def refuse() -> str:
        raise LookupError("not there")

    results = await asyncio.gather(*await asked(refuse, 3), return_exceptions=True)
    assert [str(error) for error in results] == ["not there"] * 3
    look_up = LookUp()
    look_up.may_end.set()
    assert await once("key", look_up) == "found"


@pytest.mark.django_db
def test_answers_that_end_together_are_summed_in_their_rows_of_the_day() -> None:
    mine, theirs = Spender(user_id=None, key_prefix="mine"), Spender(user_id=None, key_prefix="theirs")
    taken = [Taken(mine, "m", 10, n, 0.5) for n in range(20)]
    taken += [Taken(theirs, "m", 7, 3, 1.0), Taken(mine, "other", 1, 2, 0.25), Taken(mine, "m", 99, 0, None)]
    with CaptureQueriesContext(connection) as queries:
        write(taken)
    rows = {(row.key_prefix, row.model): row for row in Usage.objects.all()}
    assert {key: row.requests for key, row in rows.items()} == {
        ("mine", "m"): 20,
        ("theirs", "m"): 1,
        ("mine", "other"): 1,
    }
    row = rows["mine", "m"]
    assert (row.prompt_tokens, row.completion_tokens, row.engine_ms) == (200, 190, 10_000)
    assert sum("INSERT" in query["sql"] for query in queries) == 3
