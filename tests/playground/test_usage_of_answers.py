"""What answers of a real engine take is counted: over /v1 and in the page, whole, cut off or left."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
import redis

from accounts.limits.models import Audience, Limit, Period, Resource
from accounts.limits.rules import forget_rules, rules_for
from accounts.limits.services import Spender
from accounts.limits.storage import counters, standing_of
from accounts.models import ApiKey, Usage
from playground.supervisor import Supervisor
from tests.playground.conftest import until

ASK = {"model": "tiny-one", "messages": [{"role": "user", "content": "Hello there"}], "max_tokens": 12}


@pytest.fixture(autouse=True)
def fresh_counters(redis_server: redis.Redis) -> Iterator[None]:
    forget_rules()
    counters().reset()
    yield
    forget_rules()
    counters().reset()


def limit_tokens(amount: int) -> None:
    key = ApiKey.objects.get()
    Limit.objects.create(
        audience=Audience.KEY, key=key, resource=Resource.TOKENS, amount=amount, period=Period.DAY
    )
    forget_rules()


def tokens_used() -> int:
    key = ApiKey.objects.get()
    [rule] = rules_for(Spender(user_id=key.user_id, key_prefix=key.prefix))
    return standing_of(rule).used


def counted(requests: int) -> bool:
    return Usage.objects.filter(kind="chat", requests__gte=requests).exists()


async def test_an_answer_over_v1_is_counted_by_key_and_model(
    api: httpx.AsyncClient, engines: Supervisor
) -> None:
    usage = (await api.post("/chat/completions", json=ASK)).json()["usage"]
    await until(lambda: counted(1))
    row = await Usage.objects.aget()
    key = await ApiKey.objects.aget()
    assert (row.model, row.key_prefix, row.account) == ("tiny-one", key.prefix, str(key.user_id))
    assert (row.prompt_tokens, row.completion_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert row.engine_ms > 0


async def test_a_client_that_leaves_has_used_what_it_got(api: httpx.AsyncClient, engines: Supervisor) -> None:
    await asyncio.to_thread(limit_tokens, 5000)
    body = ASK | {"stream": True, "max_tokens": 900}
    async with api.stream("POST", "/chat/completions", json=body) as answer:
        lines = answer.aiter_lines()
        for _ in range(12):
            await anext(lines)
    await until(lambda: counted(1))
    row = await Usage.objects.aget()
    assert 0 < row.completion_tokens < 900
    await until(lambda: tokens_used() == row.prompt_tokens + row.completion_tokens)


async def test_under_200_requests_at_once_a_token_quota_holds(
    api: httpx.AsyncClient, engines: Supervisor
) -> None:
    """Each takes at most what it asked for, and is let in only while so much, or the last of it, is left."""
    quota = 600
    await asyncio.to_thread(limit_tokens, quota)
    answers = await asyncio.gather(*[api.post("/chat/completions", json=ASK) for _ in range(200)])
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}
    used = sum(answer.json()["usage"]["total_tokens"] for answer in answers if answer.status_code == 200)
    assert used <= quota
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
    await until(lambda: tokens_used() == used, timeout_s=30)


async def test_a_visitor_s_answer_in_the_page_is_counted_and_settled(
    web_server: str, engines: Supervisor
) -> None:
    def allow(tokens: int) -> None:
        Limit.objects.create(
            audience=Audience.VISITOR, resource=Resource.TOKENS, amount=tokens, period=Period.DAY
        )
        forget_rules()

    await asyncio.to_thread(allow, 3000)
    async with httpx.AsyncClient(base_url=web_server, timeout=60) as browser:
        page = await browser.get("/")
        token = page.text.partition('"x-csrftoken": "')[2].partition('"')[0]
        form = {"text": "Hello there", "model": "tiny-one", "temperature": "0.5", "max_tokens": "12"}
        sent = await browser.post("/chat/", data=form, headers={"X-CSRFToken": token, "Referer": web_server})
        assert sent.status_code == 302, sent.text
        await until(lambda: counted(1), timeout_s=60)
        row = await Usage.objects.aget()
        assert (row.account, row.key_prefix, row.model) == ("", "", "tiny-one")
        [rule] = await asyncio.to_thread(rules_for, Spender(address="127.0.0.1"))
        taken = row.prompt_tokens + row.completion_tokens
        await until(lambda: standing_of(rule).used == taken)
        await asyncio.to_thread(Limit.objects.all().update, amount=taken)
        await asyncio.to_thread(forget_rules)
        refused = await browser.post(
            "/chat/", data=form, headers={"X-CSRFToken": token, "HX-Request": "true"}
        )
        assert refused.status_code == 429
        assert refused.text.startswith("Without signing in you have")
        assert int(refused.headers["retry-after"]) > 0
        whole = await browser.post("/chat/", data=form, headers={"X-CSRFToken": token})
        assert "Nothing was started and nothing is lost" in whole.text
