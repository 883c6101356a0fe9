"""What the model is given: the thread so far, without the thinking of earlier answers."""

from typing import Any

from playground.attachments.services import load_texts, prompt_of
from playground.chat.branches import path_to
from playground.core.answering import AnswerParameters
from playground.core.prompt import ChatFormat, chat_format
from playground.core.think_split import split_thinking
from playground.models import Message, Role
from playground.tools.offering import template_tools
from playground.tools.turns import Turn, turns_of


def conversation(answer: Message) -> tuple[list[Turn], str]:
    """The turns before an answer that fit its model's context, oldest first, and the last prompt's text.

    The oldest turns are left out first, the system prompt never. Raises PromptTooLong where the last prompt
    alone does not fit.
    """
    before = path_to(answer)[:-1]
    load_texts(before)
    turns = [turn for message in before for turn in turns_of(message, visible_text(message))]
    turns = [*system_turn(answer), *turns]
    asked = (message.raw_text for message in reversed(before) if message.role == Role.USER)
    prompt = next((text for text in asked if text), "")
    if answer.checkpoint is None:
        return turns, prompt
    chat = chat_format(answer.checkpoint.path, answer.checkpoint.digest)
    options = template_options(answer)
    wanted_tokens = answer.parameters.get("max_tokens") or 0
    return fitting(turns, chat, wanted_tokens=wanted_tokens, options=options), prompt


def system_turn(answer: Message) -> list[Turn]:
    """What the model is told before the conversation, as the first turn; none where there is nothing."""
    system = answer.parameters.get("system", "")
    return [{"role": "system", "content": system}] if system else []


def template_options(answer: Message) -> dict[str, Any]:
    """What the template of the answer's model is told about thinking, and of the functions it may call."""
    if answer.checkpoint is None:
        return {}
    chat = chat_format(answer.checkpoint.path, answer.checkpoint.digest)
    parameters = AnswerParameters.from_dict(answer.parameters)
    return chat.controls.options(parameters.thinking, parameters.effort) | template_tools(answer)


def fitting(
    turns: list[Turn], chat: ChatFormat, wanted_tokens: int, options: dict[str, Any] | None = None
) -> list[Turn]:
    """The longest end of the conversation that leaves the answer room: half the context is enough.

    A system prompt at its beginning stays.
    """
    room = min(wanted_tokens, chat.context_tokens // 2)
    system = [turn for turn in turns[:1] if turn["role"] == "system"]
    starts = [number for number, turn in enumerate(turns) if turn["role"] == Role.USER]
    for start in starts[:-1]:
        used = len(chat.prompt([*system, *turns[start:]], options=options).token_ids)
        if chat.context_tokens - used >= room:
            return [*system, *turns[start:]]
    return [*system, *turns[starts[-1] :]] if starts else turns


def visible_text(message: Message) -> str:
    if message.role == Role.USER:
        return prompt_of(message)
    return split_thinking(message.raw_text).answer_text
