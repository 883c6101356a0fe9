"""How a message of a chat looks: its parts as HTML with what is lit, and what can be done with it."""

from dataclasses import dataclass
from functools import cached_property

from django.urls import reverse

from playground.chat.answer_state import AnswerState, Span
from playground.core.think_split import split_thinking
from playground.core.tools.hiding import without_calls
from playground.models import Message, MessageState
from playground.traces.lighting import Lighting
from playground.traces.painting import AnswerHtml, Lit, LivePart, by_relevance, paints_within
from playground.traces.subjects import Subject, answer_subject

CONTINUABLE = {MessageState.STOPPED, MessageState.INTERRUPTED, MessageState.FAILED}


class LiveHtml:
    """The HTML of an answer that is still being written, what is lit so far included.

    It is asked again and again as the answer grows: blocks that are finished are rendered once.
    """

    def __init__(self, message: Message) -> None:
        self._address = reverse("answer-trace-spans", args=[message.pk, 0, 0]).removesuffix("0-0/")
        self._thinking, self._answer = LivePart(), LivePart()
        self._hides_calls = bool(message.parameters.get("tools"))
        self._spans: set[Span] = set()
        self._lit: list[Lit] = []

    def of(self, state: AnswerState) -> AnswerHtml:
        if state.spans is not self._spans:
            self._spans = state.spans
            self._lit = by_relevance([{"start": start, "end": end} for start, end in sorted(state.spans)])
        parts = split_thinking(state.text, final=False)
        return AnswerHtml(
            thinking=self._part(self._thinking, state.text, parts.thinking),
            answer=self._part(self._answer, state.text, parts.answer),
            has_thinking=parts.thinking is not None,
            thinking_open=parts.thinking is not None and not parts.thinking_closed,
        )

    def _part(self, part: LivePart, text: str, characters: tuple[int, int] | None) -> list[str]:
        if characters is None:
            return []
        start, end = characters
        shown, paints = text[start:end], paints_within(self._lit, self._place, start, end)
        if self._hides_calls and part is self._answer:
            shown, paints = without_calls(shown, paints, final=False)
        return part.html(shown, paints)

    def _place(self, start: int, end: int) -> str:
        return f"{self._address}{start}-{end}/"


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
