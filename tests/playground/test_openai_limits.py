"""Limits on /v1: as many requests as are allowed, headers that count down, and a 429 that says when."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import httpx
import openai
import pytest
import redis

from accounts.limits.models import Audience, Limit, Period, Resource
from accounts.limits.rules import forget_rules
from accounts.limits.storage import counters
from accounts.models import ApiKey
from playground.openai.limits import duration


@pytest.fixture(autouse=True)
def fresh_counters(redis_server: redis.Redis) -> Iterator[None]:
    forget_rules()
    counters().reset()
    yield
    forget_rules()
    counters().reset()


def limit_key(resource: Resource, amount: int, period: Period = Period.HOUR) -> None:
    """A limit on the test's own key."""
    key = ApiKey.objects.get()
    Limit.objects.create(audience=Audience.KEY, key=key, resource=resource, amount=amount, period=period)
    forget_rules()


async def test_of_200_requests_at_once_exactly_as_many_as_allowed_are_answered(
    api: httpx.AsyncClient,
) -> None:
    await asyncio.to_thread(limit_key, Resource.REQUESTS, 50)
    answers = await asyncio.gather(*[api.get("/models") for _ in range(200)])
    assert Counter(answer.status_code for answer in answers) == {200: 50, 429: 150}


async def test_the_headers_count_down_and_the_refusal_says_when_to_come_again(api: httpx.AsyncClient) -> None:
    await asyncio.to_thread(limit_key, Resource.REQUESTS, 2)
    answers = [await api.get("/models") for _ in range(3)]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0", "0"]
    refused = answers[2]
    assert refused.headers["x-ratelimit-limit-requests"] == "2"
    assert refused.headers["x-ratelimit-reset-requests"].endswith("s")
    assert 1 <= int(refused.headers["retry-after"]) <= 2 * 3600
    error = refused.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
    assert "This API key has 2 requests in any hour" in error["message"]


async def test_without_limits_there_are_no_headers(api: httpx.AsyncClient) -> None:
    answer = await api.get("/models")
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


async def test_openai_s_client_takes_the_refusal_for_a_rate_limit(
    web_server: str, api_key: str, api: httpx.AsyncClient
) -> None:
    await asyncio.to_thread(limit_key, Resource.REQUESTS, 0)
    async with openai.AsyncOpenAI(base_url=f"{web_server}/v1", api_key=api_key, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as refused:
            await client.models.list()
    assert refused.value.code == "rate_limit_exceeded"


async def test_a_chat_that_could_not_begin_gives_its_tokens_back(api: httpx.AsyncClient) -> None:
    await asyncio.to_thread(limit_key, Resource.TOKENS, 5000)
    body = {"model": "no-such-model", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3000}
    answers = [await api.post("/chat/completions", json=body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0ms"), (0.85, "850ms"), (12.5, "12.5s"), (60, "1m0s"), (7380, "2h3m0s")],
)
def test_lengths_of_time_are_written_as_openai_does(seconds: float, written: str) -> None:
    assert duration(seconds) == written
