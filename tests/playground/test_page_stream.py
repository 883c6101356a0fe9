"""A page that follows an answer: it may leave, come back and die, and shows in the end what was written."""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from pytest_django import Settings

from playground.chat import outbox
from playground.chat.answer_stream import AnswerStream, Event
from playground.chat.drafts import Draft, Superseded, save, take
from playground.chat.following import AnswerState
from playground.chat.live_html import LiveHtml
from playground.chat.live_spans import LiveSpans
from playground.chat.outbox import Outbox
from playground.chat.page_stream import SentBlocks, common_length, page_events
from playground.chat.settling import settle_abandoned
from playground.chat.threads import Prompt, create_thread
from playground.completions import Piece
from playground.database import in_database
from playground.models import Message, MessageState
from tests.services.test_redis import directory, running_redis  # noqa: F401  (a fixture)
from training.models import Checkpoint

pytestmark = pytest.mark.usefixtures("redis_server")
THINKING = "<think>\nFirst *this*.\n\nThen that.\n</think>\n\n"
TEXT = THINKING + "# An answer\n\nIt has **words**, 𝒳 and\n\n- a\n- b\n\n```\nx = 1\n```\n"


@pytest.fixture
async def answer(checkpoints: dict[str, Checkpoint]) -> Message:
    prompt = Prompt("Hello", checkpoints["tiny-one"])
    return (await in_database(create_thread, owner=None, session_key="somebody", prompt=prompt))[1]


@dataclass
class Page:
    """A browser's page, as far as the blocks of one answer go."""

    blocks: dict[str, list[str]] = field(default_factory=lambda: {"thinking": [], "answer": []})
    last_id: str = ""
    characters: int = 0
    final: str = ""
    done: bool = False

    def take(self, event: str) -> None:
        name = re.search(r"^event: (.*)$", event, re.M)
        if name is None:
            return
        self.characters += len(event)
        data = "\n".join(re.findall(r"^data: ?(.*)$", event, re.M))
        if place := re.search(r"^id: (.*)$", event, re.M):
            self.last_id = place[1]
        if name[1] == "edit":
            self.edit(json.loads(data))
        if name[1] == "update":
            self.final = data
        self.done = self.done or name[1] == "done"

    def edit(self, edits: dict[str, object]) -> None:
        for part, blocks in self.blocks.items():
            change: dict[str, object] = edits.get(part, {})  # type: ignore[assignment]
            for number, kept, html in change.get("blocks", []):  # type: ignore[attr-defined]
                blocks += [""] * (number + 1 - len(blocks))
                blocks[number] = units(blocks[number])[: 2 * kept].decode("utf-16-le") + html
            del blocks[change.get("count", len(blocks)) :]  # type: ignore[misc]


def units(text: str) -> bytes:
    return text.encode("utf-16-le")


async def final_of(pk: UUID) -> str:
    return f"the end of {pk}"


def events(message: Message, after: str = "") -> AsyncGenerator[str]:
    return page_events(message, final_of, after)


async def watch(page: Page, message: Message, until: str = "") -> None:
    """Follow an answer from where the page is, to its end or until its text is there."""
    async with asyncio.timeout(20), aclosing(events(message, page.last_id)) as groups:
        async for group in groups:
            for event in group.split("\n\n"):
                page.take(event)
            if until and until in "".join(page.blocks["answer"]):
                return


def start(text: str = "") -> Event:
    return {"type": "start", "text": text, "ids": [], "thinking_s": None, "spans": []}


def piece(text: str, number: int = 0) -> Event:
    return {"type": "piece", "text": text, "ids": [number]}


def blocks_of(text: str, spans: set[tuple[int, int]] | None = None) -> dict[str, list[str]]:
    html = LiveHtml(Message()).of(AnswerState(text=text, spans=spans or set()))
    return {"thinking": html.thinking, "answer": html.answer}


async def test_a_page_that_comes_back_is_told_only_what_it_lacks(answer: Message) -> None:
    beginning, rest = "A first paragraph. " * 200 + "\n\nA second", " one.\n\nA third."
    stream = AnswerStream(answer.pk)
    async with stream.writing():
        await stream.append(start(), piece(beginning))
        page = Page()
        await watch(page, answer, until="A second")
        before = page.characters
        await stream.append(piece(rest))
        await watch(page, answer, until="A third")
        assert page.blocks == blocks_of(beginning + rest)
        assert page.characters - before < 700
        await stream.append({"type": "end"})


@pytest.mark.parametrize("place", ["0", "1-1", "nonsense", "99999999999999999999-0", "9" * 40, "5-5\n"])
async def test_a_page_that_names_no_place_of_the_stream_is_told_all(answer: Message, place: str) -> None:
    stream = AnswerStream(answer.pk)
    async with stream.writing():
        await stream.append(start(), piece("All of it."))
        page = Page(last_id=place)
        await watch(page, answer, until="All of it")
    assert page.blocks == blocks_of("All of it.")


async def test_a_page_whose_place_has_been_let_go_is_told_all(answer: Message) -> None:
    stream = AnswerStream(answer.pk)
    async with stream.writing():
        await stream.append(start(), piece("One. "))
        page = Page()
        await watch(page, answer, until="One")
        await stream.begin_with(start("One. Two. "))
        await watch(page, answer, until="Two")
        assert page.blocks == blocks_of("One. Two. ")
        assert len(await stream.read()) == 1


async def test_every_page_of_an_answer_sees_the_same_whenever_it_joins(answer: Message) -> None:
    stream = AnswerStream(answer.pk)
    pages = [Page() for _ in range(len(TEXT) // 3)]
    async with stream.writing():
        await stream.append(start())
        watching = []
        for number, character in enumerate(TEXT):
            await stream.append(piece(character, number))
            if number % 3 == 0 and len(watching) < len(pages):
                watching.append(asyncio.create_task(watch(pages[len(watching)], answer)))
                await asyncio.sleep(0)
        await in_database(Message.objects.filter(pk=answer.pk).update, state=MessageState.COMPLETE)
        await stream.append({"type": "end"})
        await asyncio.gather(*watching)
    assert all(page.blocks == blocks_of(TEXT) for page in pages)
    assert {page.final for page in pages} == {f"the end of {answer.pk}"}
    assert all(page.done for page in pages)


async def test_an_answer_that_has_ended_needs_no_stream(answer: Message) -> None:
    answer.state = MessageState.COMPLETE
    await answer.asave()
    page = Page()
    await watch(page, answer)
    assert page.done
    assert page.final == f"the end of {answer.pk}"


TEXTS = st.text(st.sampled_from("ab *`#-\n\n𝒳|<$"), max_size=60).map(
    lambda text: text.replace("###", "\n\n[a]: /b\n\n").replace("$$$", "</think>\n\n").replace("**", "[a] ")
)
SPANS = st.sets(
    st.tuples(st.integers(0, 150), st.integers(1, 40)).map(lambda at: (at[0], sum(at))), max_size=4
)


@tried(deadline=None)
@given(st.sampled_from(["", "<think>"]), st.lists(st.tuples(TEXTS, SPANS), min_size=1, max_size=6))
def test_edits_of_any_text_bring_a_page_to_it(
    thinking: str, states: list[tuple[str, set[tuple[int, int]]]]
) -> None:
    page, message, text = Page(), Message(), thinking
    live, sent = LiveHtml(message), SentBlocks(message)
    for more, spans in states:
        text += more
        state = AnswerState(text=text, spans={span for span in spans if span[1] <= len(text)})
        html = live.of(state)
        for event in sent.update(state, html, "1-1").split("\n\n"):
            page.take(event)
        assert page.blocks == {"thinking": html.thinking, "answer": html.answer}
        assert html == LiveHtml(message).of(state)


@given(st.text("ab𝒳"), st.text("ab𝒳"), st.text("ab𝒳"))
def test_what_two_texts_begin_with_is_found(common: str, one: str, other: str) -> None:
    length = common_length(common + one, common + other)
    assert length >= len(common)
    assert (common + one)[:length] == (common + other)[:length]
    assert (common + one)[length : length + 1] != (common + other)[length : length + 1] or (one == other)


async def test_of_two_writers_only_the_last_saves(answer: Message) -> None:
    first, second = await take(answer.pk), await take(answer.pk)
    assert first
    assert second
    first.raw_text, second.raw_text = "of the first", "of the second"
    assert await save(second)
    with pytest.raises(Superseded):
        await save(first)
    assert (await in_database(Message.objects.get, pk=answer.pk)).raw_text == "of the second"


async def test_an_answer_that_has_ended_has_no_writer(answer: Message) -> None:
    await in_database(Message.objects.filter(pk=answer.pk).update, state=MessageState.STOPPED)
    assert await take(answer.pk) is None


async def test_whoever_asks_to_stop_before_the_writing_begins_is_heard(answer: Message) -> None:
    stream = AnswerStream(answer.pk)
    await stream.ask_to_stop()
    async with stream.writing(), asyncio.timeout(5):
        await stream.stop_asked()
    async with stream.writing():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await stream.stop_asked()


async def test_an_abandoned_answer_is_settled_though_nobody_looks(answer: Message) -> None:
    stream = AnswerStream(answer.pk)
    async with stream.writing():
        await stream.append(start(), piece("Half an ans", 7))
        assert await settle_abandoned() == 0
    assert await settle_abandoned() == 1
    settled = await in_database(Message.objects.get, pk=answer.pk)
    assert (settled.state, settled.raw_text) == (MessageState.INTERRUPTED, "Half an ans")
    assert settled.token_ids == [7]


async def test_an_answer_goes_on_while_redis_is_away_and_its_pages_miss_nothing(
    answer: Message,
    settings: Settings,
    directory: Path,  # noqa: F811
) -> None:
    socket = directory / "run" / "redis.sock"
    settings.REDIS_URL = f"unix://{socket}"
    page, draft = Page(), await take(answer.pk)
    assert draft
    with running_redis(socket) as (process, _):
        stream = AnswerStream(answer.pk)
        outbox = Outbox(draft, stream, LiveSpans(None))
        async with stream.writing(), outbox.sending():
            watching = asyncio.create_task(watch(page, answer, until="Four."))
            outbox.add(Piece((1,), "One. "))
            await asyncio.sleep(0.2)
            process.kill()
            process.wait()
            for number in range(2, 4):
                outbox.add(Piece((number,), "Two. Three. "[:5] if number == 2 else "Three. "))
                await asyncio.sleep(0.1)
            with running_redis(socket):
                outbox.add(Piece((4,), "Four."))
                async with asyncio.timeout(20):
                    await watching
    assert page.blocks == blocks_of("One. Two. Three. Four.")
    assert draft.raw_text == "One. Two. Three. Four."


class Lighting:
    """A tracer that finds all that is written, and takes its time over it."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.size = seconds, 0

    def push(self, token_ids: list[int]) -> None:
        time.sleep(self.seconds)
        self.size += len(token_ids)

    def spans(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(start=0, end=self.size)] if self.size else []


async def test_words_reach_a_page_lit(answer: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PATIENCE_S", 10.0)  # on a busy machine too
    page, draft = Page(), await take(answer.pk)
    assert draft
    stream = AnswerStream(answer.pk)
    sender = Outbox(draft, stream, LiveSpans(Lighting(0.0)))
    async with stream.writing(), sender.sending():
        sender.add(Piece(tuple(range(9)), "Lit words"))
        await watch(page, answer, until="Lit words")
    assert "Lit words</a>" in page.blocks["answer"][0]


async def test_words_that_come_while_spans_are_looked_for_are_told_once(
    answer: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PATIENCE_S", 0.001)
    monkeypatch.setattr(outbox, "WHOLE_EVERY", 1)  # so that all there is is told again and again
    draft = await take(answer.pk)
    assert draft
    stream = AnswerStream(answer.pk)
    sender = Outbox(draft, stream, LiveSpans(Lighting(0.03)))
    async with stream.writing(), sender.sending():
        for number in range(60):
            sender.add(Piece((number,), f"{number} "))
            await asyncio.sleep(0.005)
            state = AnswerState()
            for _, event in await stream.read():
                state.fold(event)
            assert draft.raw_text.startswith(state.text)
            assert state.token_ids == draft.token_ids[: len(state.token_ids)]


def test_a_draft_notes_once_how_long_the_thinking_took() -> None:
    draft = Draft(Message())
    notes = []
    for character in "<think>a</think>b":
        draft.add(Piece((1,), character))
        notes.append(draft.note_end_of_thinking())
    assert [note is not None for note in notes].count(True) == 1
