"""What the model is given: the thread so far, without the thinking of earlier answers."""

from playground.core.think_split import split_thinking
from playground.models import Message, Role

Turn = dict[str, str]


def conversation(answer: Message) -> tuple[list[Turn], str]:
    """The turns before an answer, oldest first, and the last prompt's text."""
    before = answer.thread.messages.filter(position__lt=answer.position)
    turns = [{"role": message.role, "content": visible_text(message)} for message in before]
    turns = [turn for turn in turns if turn["content"]]
    return turns, next((turn["content"] for turn in reversed(turns) if turn["role"] == Role.USER), "")


def visible_text(message: Message) -> str:
    if message.role == Role.USER:
        return message.raw_text
    return split_thinking(message.raw_text).answer_text
