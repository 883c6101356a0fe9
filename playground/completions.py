"""One answer of one checkpoint, from a conversation to its last token. The chat page and /v1 both use it.

Prompts go to the engine as token ids, made from the checkpoint's own template and tokenizer: the engine may
have been started with another checkpoint's, and a client must never choose a template.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from playground.core.decoding import Decoded, StopFinder, TokenDecoder
from playground.core.engine_client import EngineClient, GenerationRequest, Sampled
from playground.core.errors import (
    EngineDied,
    EngineGone,
    EngineRefused,
    EngineUnavailable,
    GenerationError,
    ParameterError,
)
from playground.core.logprobs import TokenLogprob
from playground.core.prompt import ChatFormat, Message, Prompt, chat_format, is_read
from playground.core.sampling import SamplingParameters
from playground.core.tools.structure import after_thinking, structural_tag
from playground.engines import WAIT_S, LeasedEngine, acquire, has_another, held
from playground.gateway.metrics import Followed, followed
from training.models import Checkpoint

__all__ = [
    "EngineDied",
    "EngineUnavailable",
    "Event",
    "Finished",
    "GenerationError",
    "Piece",
    "SamplingParameters",
    "Started",
    "TokenLogprob",
    "Usage",
    "Waiting",
    "generate",
    "prepare",
    "prepare_text",
    "prepared",
    "stream_completion",
]

TRIES = 3
TRY_AGAIN_S = 1.0
GONE_S = 60.0
"""So long an engine may be gone before that counts as a try: a supervisor that was killed is back by then."""
SHORT_CHARACTERS = 4000
"""Encoding so much takes about as long as changing threads twice."""


@dataclass(frozen=True)
class Waiting:
    """No engine is at work yet; `reason` says what is being waited for, to be shown as it is."""

    reason: str


@dataclass(frozen=True)
class Started:
    """The engine has begun. `prompt_token_ids` are what it was given, scored where that was asked for."""

    prompt_token_ids: tuple[int, ...]
    prompt_logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Piece:
    """The next tokens of the answer and the text that they decode to, thinking and its tags included.

    The pieces' texts together are the decoding of their ids together. Only a stop text may cut the last one
    shorter. `logprobs` are those of the ids, where they were asked for.
    """

    token_ids: tuple[int, ...]
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Usage:
    """Tokens read and tokens sampled, the end token included."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Finished:
    """The answer is complete ("stop"), or as long as it may be ("length")."""

    finish_reason: str
    usage: Usage


Event = Waiting | Started | Piece | Finished


async def stream_completion(
    checkpoint: Checkpoint,
    messages: Sequence[Message],
    parameters: SamplingParameters,
    *,
    continue_raw_text: str | None = None,
    continue_token_ids: Sequence[int] | None = None,
    template_options: Mapping[str, Any] | None = None,
    timeout_s: float = WAIT_S,
) -> AsyncIterator[Event]:
    """The events of one answer: Waiting as often as need be, Started, Pieces, Finished.

    `messages` have a role and a content each, oldest first. To go on with an answer that broke off, give its
    token ids (exact), or its raw text. `template_options` are further variables for the checkpoint's
    template, such as enable_thinking: ours, never a client's own. Closing the iterator ends the engine's
    work: wrap it in `contextlib.aclosing`. Raises a GenerationError: PromptTooLong, EngineUnavailable, or
    EngineDied after any number of pieces, which stay valid. An engine that dies before the first piece is
    tried again.
    """
    job = await prepared(
        checkpoint, messages, parameters, continue_raw_text, continue_token_ids, template_options
    )
    async with aclosing(generate(job, timeout_s=timeout_s)) as events:
        async for event in events:
            yield event


@dataclass(frozen=True)
class Job:
    """An answer to be generated, prepared once for all tries."""

    checkpoint: Checkpoint
    chat: ChatFormat
    prompt: Prompt
    request: GenerationRequest


def prepare(
    checkpoint: Checkpoint,
    messages: Sequence[Message],
    parameters: SamplingParameters,
    raw_text: str | None = None,
    token_ids: Sequence[int] | None = None,
    template_options: Mapping[str, Any] | None = None,
) -> Job:
    """Check and encode everything; call it off the event loop, because a tokenizer may have to be read."""
    chat = chat_format(checkpoint.path, checkpoint.digest)
    if token_ids is None and raw_text is not None:
        token_ids = chat.tokenizer.encode(raw_text)[0]
    prompt = chat.prompt(messages, continued=token_ids, options=template_options)
    room = chat.room(prompt)
    new_tokens = min(parameters.max_tokens or room, room)
    thinks = checkpoint.thinking and (template_options or {}).get(chat.controls.switch) is not False
    structure = structure_of(parameters, begun=bool(prompt.begun), thinks=thinks)
    request = GenerationRequest(prompt.token_ids, parameters, new_tokens, chat.end_ids, structure)
    return Job(checkpoint, chat, prompt, request)


def structure_of(parameters: SamplingParameters, *, begun: bool, thinks: bool) -> str | None:
    """The form that the answer must have, behind the thinking of a model that thinks."""
    if parameters.structure is None:
        return None
    return structural_tag(after_thinking(dict(parameters.structure), begun=begun, thinks=thinks))


def prepare_text(
    checkpoint: Checkpoint,
    prompt: str | Sequence[int],
    parameters: SamplingParameters,
    *,
    scored: bool = False,
    new_tokens: int | None = None,
) -> Job:
    """As `prepare`, for a text or token ids that are continued as they stand. With `scored` the prompt's own
    tokens get their log-probabilities; `new_tokens` 0 asks for nothing else."""
    chat = chat_format(checkpoint.path, checkpoint.digest)
    given = chat.text_prompt(prompt) if isinstance(prompt, str) else chat.ids_prompt(prompt)
    room = chat.room(given)
    wanted = min(room if new_tokens is None else new_tokens, room)
    structure = structure_of(parameters, begun=False, thinks=False)
    request = GenerationRequest(given.token_ids, parameters, wanted, chat.end_ids, structure, scored)
    return Job(checkpoint, chat, given, request)


async def prepared(
    checkpoint: Checkpoint,
    messages: Sequence[Message],
    parameters: SamplingParameters,
    raw_text: str | None = None,
    token_ids: Sequence[int] | None = None,
    template_options: Mapping[str, Any] | None = None,
) -> Job:
    """As `prepare`, without keeping the event loop: a short conversation is encoded at once, because changing
    to a thread and back takes longer while many answers stream; anything else goes to a thread."""
    given = (checkpoint, messages, parameters, raw_text, token_ids, template_options)
    parts = [str(value) for message in messages for value in message.values()]
    characters = sum(map(len, [*parts, raw_text or "", str(template_options or "")]))
    if is_quick(checkpoint, characters):
        return prepare(*given)
    return await asyncio.to_thread(prepare, *given)


def is_quick(checkpoint: Checkpoint, characters: int) -> bool:
    """Whether a prompt of so many characters is better encoded at once than in a thread."""
    return characters <= SHORT_CHARACTERS and is_read(checkpoint.path, checkpoint.digest)


async def generate(job: Job, *, timeout_s: float = WAIT_S) -> AsyncIterator[Event]:
    """As `stream_completion`, of an answer that is prepared. It holds nothing before it is iterated."""
    with followed(job.checkpoint.name) as answer:
        async with aclosing(tries(job, timeout_s, answer)) as events:
            async for event in events:
                if isinstance(event, Piece):
                    answer.begin()
                elif isinstance(event, Finished):
                    answer.finish(
                        event.finish_reason, event.usage.prompt_tokens, event.usage.completion_tokens
                    )
                yield event


async def tries(job: Job, timeout_s: float, answer: Followed) -> AsyncIterator[Event]:
    """Asks again, another engine if there is one, as long as nothing has been said yet. An engine that is not
    there any more was not asked: whoever looks after it starts another, or says that it is gone."""
    broke_off: list[int] = []
    tries_left, patience_ends = TRIES, time.monotonic() + min(GONE_S, timeout_s)
    while True:
        try:
            async with aclosing(attempt(job, timeout_s, broke_off)) as events:
                async for event in events:
                    yield event
                return
        except EngineDied as error:
            if not isinstance(error, EngineGone) or time.monotonic() > patience_ends:
                tries_left -= 1
            if answer.has_begun or not tries_left:
                raise
        except EngineRefused as error:
            if job.request.structure is None:
                raise
            raise ParameterError(
                "response_format", f"The answer cannot be held to this form: {error}"
            ) from error
        answer.retry()
        yield Waiting(f"the engine of {job.checkpoint.name} broke off before its first word; asking again")
        if not await has_another(job.checkpoint, broke_off):
            await asyncio.sleep(TRY_AGAIN_S)


async def attempt(job: Job, timeout_s: float, broke_off: list[int] | None = None) -> AsyncIterator[Event]:
    """One try, on one engine; its slot joins those that `broke_off` if it does, which are avoided."""
    broke_off = [] if broke_off is None else broke_off
    prompt_ids = job.request.prompt_ids
    steps = acquire(job.checkpoint, timeout_s=timeout_s, prompt_ids=prompt_ids, avoid=broke_off)
    engine = None
    async with aclosing(steps):
        async for step in steps:
            if isinstance(step, LeasedEngine):
                engine = step
            else:
                yield Waiting(step)
    assert engine is not None
    async with held(engine):
        try:
            async with aclosing(follow(job, client_for(job, engine))) as events:
                async for event in events:
                    if isinstance(event, Started):
                        engine.works()
                    yield event
        except EngineDied:
            broke_off.append(engine.slot)
            engine.broke_off()
            raise


def client_for(job: Job, engine: LeasedEngine) -> EngineClient:
    return EngineClient(engine.address, engine.kind, job.checkpoint.path, job.chat.tokenizer, engine.served)


async def follow(job: Job, client: EngineClient) -> AsyncIterator[Event]:
    """The engine's tokens as events, up to the end token, a stop text or the last token allowed."""
    writer = Writer(job)
    started = False
    async with aclosing(client.sample(job.request)) as stream:
        async for sampled in stream:
            if not started:
                started = True
                for event in writer.begin(sampled):
                    yield event
            if piece := writer.add(sampled):
                yield piece
            if writer.stops.found:
                break
    if piece := writer.last():
        yield piece
    yield writer.finished()


class Writer:
    """Turns sampled tokens into pieces of the answer."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.decoder = TokenDecoder(job.chat.tokenizer)
        self.stops = StopFinder(job.request.parameters.stop)
        self.sampled = 0
        self.logprobs: list[TokenLogprob] = []
        self.finish_reason = ""

    def begin(self, sampled: Sampled) -> list[Event]:
        prompt = self.job.prompt
        given = prompt.token_ids[: len(prompt.token_ids) - len(prompt.begun)]
        begun = self.job.chat.tokenizer.decode(prompt.begun)[0] if prompt.begun else ""
        return [Started(given, sampled.prompt_logprobs), *([Piece(prompt.begun, begun)] if begun else [])]

    def add(self, sampled: Sampled) -> Piece | None:
        self.sampled += len(sampled.token_ids)
        ends = self.job.request.end_ids
        ids = [i for i in sampled.token_ids if i not in ends]
        if sampled.logprobs:
            self.logprobs += [row for row in sampled.logprobs if row.token_id not in ends]
        apart = [[i] for i in ids] if self.stops.stops else [ids]
        pieces = self.stops.push([self.decoder.push(part) for part in apart])
        self.finish_reason = "stop" if self.stops.found else sampled.finish_reason or ""
        return self.with_logprobs(joined(pieces))

    def last(self) -> Piece | None:
        """What was held back until it was clear how it ends."""
        if self.stops.found:
            return None
        return self.with_logprobs(joined([*self.stops.push([self.decoder.finish()]), *self.stops.finish()]))

    def with_logprobs(self, piece: Piece | None) -> Piece | None:
        """The piece with those of its tokens: ids leave in the order in which they came."""
        if piece is None or not self.logprobs:
            return piece
        count = len(piece.token_ids)
        own, self.logprobs = self.logprobs[:count], self.logprobs[count:]
        return replace(piece, logprobs=tuple(own))

    def finished(self) -> Finished:
        usage = Usage(len(self.job.prompt.token_ids), self.sampled)
        return Finished("stop" if self.stops.found else self.finish_reason, usage)


def joined(pieces: Sequence[Decoded]) -> Piece | None:
    ids = tuple(i for piece in pieces for i in piece.token_ids)
    return Piece(ids, "".join(piece.text for piece in pieces)) if ids else None
