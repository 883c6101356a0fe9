"""Answers written in the background by a real engine: nothing that was written is ever lost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.db import connection
from redis import Redis

from playground.chat.answer_stream import AnswerStream
from playground.chat.settling import settle
from playground.chat.threads import Prompt, create_thread
from playground.database import in_database
from playground.models import Engine, Message, MessageState
from playground.supervisor import Supervisor
from tests.playground.conftest import until
from training.models import Checkpoint

pytestmark = pytest.mark.usefixtures("redis_server")
LONG = {"max_tokens": "600", "temperature": "1"}


@pytest.fixture
async def browser(web_server: str, engines: Supervisor) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without JavaScript: cookies, forms and redirects."""
    async with httpx.AsyncClient(base_url=web_server, timeout=60, trust_env=False) as client:
        page = await client.get("/")
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        client.headers["x-csrftoken"] = token
        yield client


async def send(browser: httpx.AsyncClient, text: str, **fields: str) -> Message:
    """Send a prompt as a new thread; the answer that it begins."""
    response = await browser.post("/chat/", data={"text": text, "model": "tiny-one"} | fields)
    assert response.status_code == 302, response.text
    thread_id = response.headers["location"].strip("/").split("/")[1]
    return await in_database(lambda: Message.objects.get(thread_id=thread_id, role="assistant"))


async def fetched(pk: UUID) -> Message:
    return await in_database(Message.objects.get, pk=pk)


async def ended(pk: UUID) -> Message:
    await until(lambda: Message.objects.get(pk=pk).state != MessageState.WRITING, 60)
    return await fetched(pk)


async def some_text(pk: UUID) -> str:
    """Wait until the beginning of an answer is in its stream."""
    stream = AnswerStream(pk)
    async with asyncio.timeout(60):
        while not (text := written(await stream.read())):
            await asyncio.sleep(0.02)
    return text


def written(events: list[tuple[str, dict[str, Any]]]) -> str:
    return "".join(event.get("text", "") for _, event in events)


async def test_an_answer_is_written_though_nobody_listens(browser: httpx.AsyncClient) -> None:
    answer = await ended((await send(browser, "Hello", max_tokens="40")).pk)
    assert answer.state == MessageState.COMPLETE
    assert answer.finish_reason == "length"
    assert answer.raw_text
    assert len(answer.token_ids) == 40


async def test_an_answer_that_cannot_be_traced_is_still_an_answer(browser: httpx.AsyncClient) -> None:
    answer = await ended((await send(browser, "Hello", max_tokens="10")).pk)
    assert answer.trace == {
        "error": "No token store is known for tiny-one: register its data to trace its answers."
    }


async def test_every_reader_gets_the_whole_answer_whenever_it_joins(browser: httpx.AsyncClient) -> None:
    answer = await send(browser, "Hello", **LONG)
    early = asyncio.create_task(browser.get(f"/messages/{answer.pk}/stream/"))
    await some_text(answer.pk)
    late, again = await asyncio.gather(*(browser.get(f"/messages/{answer.pk}/stream/") for _ in range(2)))
    finals = {stream.text.rsplit("event: update", 1)[1] for stream in (await early, late, again)}
    assert len(finals) == 1
    assert "answer-complete" in finals.pop()


async def test_stop_keeps_what_was_written_and_frees_the_engine(browser: httpx.AsyncClient) -> None:
    answer = await send(browser, "Hello", **LONG)
    before = await some_text(answer.pk)
    await browser.post(f"/messages/{answer.pk}/stop/")
    stopped = await ended(answer.pk)
    assert stopped.state == MessageState.STOPPED
    assert stopped.raw_text.startswith(before)
    assert len(stopped.token_ids) < 600


async def test_a_stopped_answer_goes_on_from_its_last_token(browser: httpx.AsyncClient) -> None:
    answer = await send(browser, "Hello", **LONG)
    await some_text(answer.pk)
    await browser.post(f"/messages/{answer.pk}/stop/")
    stopped = await ended(answer.pk)
    await browser.post(f"/messages/{answer.pk}/continue/")
    whole = await ended(answer.pk)
    assert whole.token_ids[: len(stopped.token_ids)] == stopped.token_ids
    assert len(whole.token_ids) > len(stopped.token_ids)


async def test_an_engine_that_dies_in_mid_answer_leaves_the_text_and_an_offer_to_go_on(
    browser: httpx.AsyncClient,
) -> None:
    answer = await send(browser, "Hello", **LONG)
    before = await some_text(answer.pk)
    engine = await in_database(Engine.objects.get, state="ready")
    assert engine.pid
    os.kill(engine.pid, signal.SIGKILL)
    broken = await ended(answer.pk)
    assert broken.state == MessageState.INTERRUPTED
    assert broken.raw_text.startswith(before)
    assert broken.error
    page = await browser.get(f"/chat/{broken.thread_id}/")
    assert "This answer was interrupted" in page.text
    assert f"/messages/{answer.pk}/continue/" in page.text
    await browser.post(f"/messages/{answer.pk}/continue/")
    await until(lambda: Message.objects.get(pk=answer.pk).state == MessageState.COMPLETE, 120)
    assert (await fetched(answer.pk)).raw_text.startswith(broken.raw_text)


async def test_a_second_prompt_in_mid_answer_is_refused_and_kept_out(browser: httpx.AsyncClient) -> None:
    answer = await send(browser, "Hello", **LONG)
    form = {"text": "And?", "model": "tiny-one"}
    refused = await browser.post(f"/chat/{answer.thread_id}/messages/", data=form)
    assert refused.status_code == 422
    assert "still being written" in refused.text
    await browser.post(f"/messages/{answer.pk}/stop/")
    await ended(answer.pk)


async def test_an_answer_whose_writer_died_is_settled_with_all_that_reached_its_stream(
    checkpoints: dict[str, Checkpoint],
) -> None:
    prompt = Prompt("Hello", checkpoints["tiny-one"])
    _, answer = await in_database(create_thread, owner=None, session_key="somebody", prompt=prompt)
    stream = AnswerStream(answer.pk)
    async with stream.writing() as mine:
        assert mine
        await stream.append({"type": "start", "text": "", "ids": [], "thinking_s": None})
        await stream.append({"type": "piece", "text": "Half an ans", "ids": [5, 6, 7]})
        await settle(answer.pk)
        assert (await fetched(answer.pk)).state == MessageState.WRITING
    await settle(answer.pk)
    settled = await fetched(answer.pk)
    assert settled.state == MessageState.INTERRUPTED
    assert (settled.raw_text, settled.token_ids) == ("Half an ans", [5, 6, 7])


async def test_one_answer_has_one_writer(checkpoints: dict[str, Checkpoint]) -> None:
    prompt = Prompt("Hello", checkpoints["tiny-one"])
    _, answer = await in_database(create_thread, owner=None, session_key="somebody", prompt=prompt)
    async with AnswerStream(answer.pk).writing() as first, AnswerStream(answer.pk).writing() as second:
        assert (first, second) == (True, False)


async def test_a_full_disk_refuses_the_prompt_plainly_and_loses_nothing(
    browser: httpx.AsyncClient, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = await ended((await send(browser, "Hello", max_tokens="5")).pk)
    await in_database(lambda: connection.cursor().execute("VACUUM"))  # free pages would take the prompt in
    options = connection.settings_dict["OPTIONS"]
    # SQLite itself then refuses to grow the file, with the error that it gives for a full disk.
    monkeypatch.setitem(options, "init_command", options["init_command"] + "PRAGMA max_page_count=1;")
    form = {"text": "x" * 30_000, "model": "tiny-one"}
    refused = await browser.post("/chat/", data=form, headers={"hx-request": "true"})
    assert refused.status_code == 507
    assert "The disk is full" in refused.text
    monkeypatch.undo()
    assert (await browser.get(f"/chat/{earlier.thread_id}/")).status_code == 200
    assert (await fetched(earlier.pk)).raw_text == earlier.raw_text
