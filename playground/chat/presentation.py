"""How a message of a chat looks: its parts as HTML with what is lit, and what can be done with it."""

from dataclasses import dataclass
from functools import cached_property

from playground.models import Message, MessageState
from playground.traces.lighting import Lighting
from playground.traces.painting import AnswerHtml
from playground.traces.subjects import Subject, answer_subject

CONTINUABLE = {MessageState.STOPPED, MessageState.INTERRUPTED, MessageState.FAILED}


@dataclass(frozen=True)
class AnswerView:
    """A message as a template shows it. `lighting` is what this browser wants lit."""

    message: Message
    subject: Subject
    lighting: Lighting

    @classmethod
    def of(cls, message: Message, lighting: Lighting | None = None) -> "AnswerView":
        return cls(message, answer_subject(message), lighting or Lighting())

    @cached_property
    def html(self) -> AnswerHtml:
        return self.subject.html

    @property
    def relights(self) -> bool:
        """Whether the page must ask for the answer again, lit as this browser wants it."""
        return bool(self.subject.spans) and not self.lighting.is_default

    @property
    def can_continue(self) -> bool:
        message = self.message
        cut_short = message.state == MessageState.COMPLETE and message.finish_reason == "length"
        return cut_short or message.state in CONTINUABLE
