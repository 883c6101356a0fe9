"""A real engine answers what is edited and asked again; what is sent twice is answered once."""

import asyncio
import re
import uuid

import httpx
import pytest

from playground.database import in_database
from playground.models import Message, MessageState, Thread
from tests.playground.conftest import until
from tests.playground.test_chat_generation import browser

__all__ = ["browser"]
pytestmark = pytest.mark.usefixtures("redis_server")
HTMX = {"hx-request": "true"}
FORM = {"text": "Hello", "model": "tiny-one", "max_tokens": "12"}


async def ended(pk: uuid.UUID) -> Message:
    await until(lambda: Message.objects.get(pk=pk).state != MessageState.WRITING, 60)
    return await in_database(Message.objects.select_related("parent").get, pk=pk)


async def begun(browser: httpx.AsyncClient) -> Message:
    """A new thread and its answer, ended."""
    response = await browser.post("/chat/", data=FORM)
    thread_id = response.headers["location"].strip("/").split("/")[1]
    answer = await in_database(lambda: Message.objects.get(thread_id=thread_id, role="assistant"))
    return await ended(answer.pk)


async def leaf_of(thread_id: uuid.UUID) -> Message:
    thread = await in_database(Thread.objects.get, pk=thread_id)
    return await ended(thread.leaf_id)


async def test_another_answer_is_asked_for_with_the_settings_of_now_and_the_first_stays(
    browser: httpx.AsyncClient,
) -> None:
    first = await begun(browser)
    form = {"model": "tiny-one", "temperature": "1.5", "max_tokens": "7", "text": "a draft"}
    page = await browser.post(f"/messages/{first.pk}/again/", data=form, headers=HTMX)
    assert "2 of 2" in page.text
    assert "sse-connect" in page.text
    second = await leaf_of(first.thread_id)
    assert second.parent_id == first.parent_id
    assert (len(second.token_ids), second.parameters["temperature"]) == (7, 1.5)
    assert (await in_database(Message.objects.get, pk=first.pk)).raw_text == first.raw_text


async def test_without_settings_an_answer_is_asked_for_as_the_first_was(browser: httpx.AsyncClient) -> None:
    first = await begun(browser)
    response = await browser.post(f"/messages/{first.pk}/again/")
    assert response.status_code == 302
    second = await leaf_of(first.thread_id)
    assert second.pk != first.pk
    assert (second.parameters, second.token_ids) == (first.parameters, first.token_ids)


async def test_an_edited_prompt_is_answered_beside_the_first(browser: httpx.AsyncClient) -> None:
    first = await begun(browser)
    await browser.post(f"/messages/{first.parent_id}/edit/", data={"edited": "Hello again"})
    second = await leaf_of(first.thread_id)
    assert second.parent
    assert second.parent.raw_text == "Hello again"
    assert second.state == MessageState.COMPLETE
    page = await browser.get(f"/chat/{first.thread_id}/")
    assert "2 of 2" in page.text


async def test_a_prompt_that_is_sent_twice_at_once_is_saved_and_answered_once(
    browser: httpx.AsyncClient,
) -> None:
    earlier = await begun(browser)
    form = FORM | {"question_id": str(uuid.uuid4())}
    sent = await asyncio.gather(*(browser.post("/chat/", data=form) for _ in range(5)))
    assert len({response.headers["location"] for response in sent}) == 1
    assert await in_database(Message.objects.count) == 4
    thread = await in_database(Thread.objects.exclude(pk=earlier.thread_id).get)
    first = await leaf_of(thread.pk)
    form = FORM | {"question_id": str(uuid.uuid4()), "after": str(first.pk), "text": "And now?"}
    sent = await asyncio.gather(
        *(browser.post(f"/chat/{thread.pk}/messages/", data=form, headers=HTMX) for _ in range(5))
    )
    assert {response.status_code for response in sent} == {200}
    assert len({tuple(re.findall(r'id="turn-([^"]+)"', response.text)) for response in sent}) == 1
    assert await in_database(Message.objects.count) == 6
    await leaf_of(thread.pk)


async def test_another_prompt_under_an_id_that_is_taken_is_a_prompt_of_its_own(
    browser: httpx.AsyncClient,
) -> None:
    first = await begun(browser)
    form = FORM | {"question_id": str(first.parent_id), "text": "Something else"}
    response = await browser.post("/chat/", data=form)
    assert str(first.thread_id) not in response.headers["location"]
    assert await in_database(Thread.objects.count) == 2
    for thread in await in_database(lambda: list(Thread.objects.all())):
        await leaf_of(thread.pk)


async def test_a_prompt_goes_behind_the_message_that_the_page_showed_last(browser: httpx.AsyncClient) -> None:
    first = await begun(browser)
    await browser.post(f"/messages/{first.pk}/again/")
    await leaf_of(first.thread_id)
    form = FORM | {"text": "And?", "after": str(first.pk)}
    await browser.post(f"/chat/{first.thread_id}/messages/", data=form)
    answer = await leaf_of(first.thread_id)
    assert answer.parent
    assert answer.parent.parent_id == first.pk


async def test_an_answer_whose_writer_died_does_not_keep_a_chat_from_going_on(
    browser: httpx.AsyncClient,
) -> None:
    first = await begun(browser)
    await in_database(Message.objects.filter(pk=first.pk).update, state=MessageState.WRITING)
    form = FORM | {"text": "And?", "after": str(first.pk)}
    response = await browser.post(f"/chat/{first.thread_id}/messages/", data=form)
    assert response.status_code == 302
    assert (await leaf_of(first.thread_id)).state == MessageState.COMPLETE
    assert (await in_database(Message.objects.get, pk=first.pk)).state == MessageState.INTERRUPTED


async def test_deleting_a_chat_stops_its_answer_and_keeps_the_text(browser: httpx.AsyncClient) -> None:
    response = await browser.post("/chat/", data=FORM | {"max_tokens": "900", "temperature": "1"})
    thread_id = response.headers["location"].strip("/").split("/")[1]
    await browser.post(f"/chat/{thread_id}/delete/")
    await until(lambda: not Message.objects.filter(state=MessageState.WRITING).exists(), 60)
    answer = await in_database(Message.objects.get, thread_id=thread_id, role="assistant")
    assert answer.state in {MessageState.STOPPED, MessageState.FAILED}
    await browser.post(f"/chat/{thread_id}/restore/")
    assert (await browser.get(f"/chat/{thread_id}/")).status_code == 200
