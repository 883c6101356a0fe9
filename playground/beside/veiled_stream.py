"""The stream of an answer whose model nobody may know yet: its words and nothing else."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from asgiref.sync import sync_to_async
from django.template.loader import render_to_string

from playground.beside.rounds import VeiledAnswer, unlit_html
from playground.chat.following import changes, following
from playground.chat.page_stream import STILL_HERE, sse
from playground.models import Message, MessageState

REST_S = 0.12
SHARE_OF_TIME = 4
"""Times as long as painting took is rested: a long answer is painted less often."""


async def veiled_events(message: Message, letter: str, article: str) -> AsyncIterator[str]:
    """Server-sent events as those of any answer, without spans, thinking, and reasons that name a model.

    `article` is the template of the finished answer.
    """
    if message.state == MessageState.WRITING:
        async with aclosing(growing_words(message)) as growing:
            async for words in growing:
                yield words
    ended = await sync_to_async(Message.objects.get)(pk=message.pk)
    context = {"turn": VeiledAnswer(ended, letter), "out_of_band": True}
    yield sse("update", await asyncio.to_thread(render_to_string, article, context))
    yield sse("done", "")


async def growing_words(message: Message) -> AsyncGenerator[str]:
    async with following(message) as followed:
        async for fresh in changes(followed):
            if not fresh:
                yield STILL_HERE
                continue
            began = time.monotonic()
            yield sse("update", await asyncio.to_thread(words_so_far, message, followed.state.text))
            await asyncio.sleep(max(REST_S, SHARE_OF_TIME * (time.monotonic() - began)))


def words_so_far(message: Message, raw_text: str) -> str:
    blocks = unlit_html(raw_text, final=False).answer
    return render_to_string("playground/beside/_words.html", {"message": message, "blocks": blocks})
