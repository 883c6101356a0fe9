"""Answers to be generated: conversations and texts, checked and encoded.

Prompts go to the engine as token ids, made from the checkpoint's own template and tokenizer: the engine may
have been started with another checkpoint's, and a client must never choose a template.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playground.core.engine_client import GenerationRequest
from playground.core.prompt import ChatFormat, Message, Prompt, chat_format, is_read
from playground.core.sampling import SamplingParameters
from playground.core.tools.structure import after_thinking, structural_tag
from training.models import Checkpoint

SHORT_CHARACTERS = 4000
"""Encoding so much takes about as long as changing threads twice."""


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
