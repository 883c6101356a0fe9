"""What a row can be: a conversation, a preference, or a prompt with a verifier."""

from dataclasses import dataclass
from typing import Any

from training.core.chat import Turn

CHAT, PREFERENCE, PROMPT = "chat", "preference", "prompt"
Turns = tuple[Turn, ...]


@dataclass(frozen=True)
class ChatRow:
    """A conversation whose answers are learned."""

    turns: Turns
    origin: str = ""
    """How the row came to be, for whoever finds it behind an answer."""
    format = CHAT

    @property
    def said(self) -> Turns:
        return self.turns


@dataclass(frozen=True)
class PreferenceRow:
    """What was asked, and the answer to prefer over another."""

    prompt: Turns
    chosen: Turns
    rejected: Turns
    origin: str = ""
    format = PREFERENCE

    @property
    def said(self) -> Turns:
        return (*self.prompt, *self.chosen, *self.rejected)


@dataclass(frozen=True)
class PromptRow:
    """What a model is asked, and how its answers are rewarded."""

    turns: Turns
    verifier: Any
    """Name of a verifier, or several with weights, as in evaluations."""
    reference: Any
    origin: str = ""
    format = PROMPT

    @property
    def said(self) -> Turns:
        return self.turns


Row = ChatRow | PreferenceRow | PromptRow


def texts_of(row: Row) -> list[str]:
    """What stands in all of its turns."""
    return [turn.content for turn in row.said]
