"""How a lineup looks: round by round, with or without what would tell which model is which."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from playground.attachments.services import load_names
from playground.beside.lineups import threads_of
from playground.chat.branches import path_of
from playground.chat.presentation import AnswerView
from playground.models import Lineup, Message, MessageState, Role, Thread
from playground.traces.lighting import Lighting
from playground.traces.painting import AnswerHtml, answer_html

LETTERS = "ABC"
SIDES = ("left", "right", "third")
"""As the address of a comparison names them."""


@dataclass(frozen=True)
class VeiledAnswer:
    """An answer without its model, its thinking and its trace, each of which could give the model away."""

    message: Message
    letter: str

    @property
    def html(self) -> AnswerHtml:
        return unlit_html(self.message.raw_text)


def unlit_html(raw_text: str, *, final: bool = True) -> AnswerHtml:
    return answer_html(raw_text, [], lambda start, end: "", final=final)


@dataclass(frozen=True)
class Side:
    """One model's answer in a round."""

    place: int
    turn: AnswerView

    @property
    def letter(self) -> str:
        return LETTERS[self.place]

    @property
    def veiled(self) -> VeiledAnswer:
        return VeiledAnswer(self.turn.message, self.letter)


@dataclass(frozen=True)
class Round:
    """One prompt and its answers."""

    number: int
    question: Message
    sides: list[Side]

    @property
    def prompt(self) -> str:
        return self.question.raw_text

    @property
    def is_done(self) -> bool:
        return all(side.turn.message.state != MessageState.WRITING for side in self.sides)

    @property
    def comparison(self) -> str:
        """The address of the difference of their traces; empty until all are there."""
        if not self.is_done or not all(side.turn.subject.spans for side in self.sides):
            return ""
        refs = {name: side.turn.subject.ref for name, side in zip(SIDES, self.sides, strict=False)}
        return f"{reverse('compare')}?{urlencode(refs)}"


def rounds_of(lineup: Lineup, lighting: Lighting) -> list[Round]:
    """Every prompt with its answers, as far as all conversations go together."""
    turns = [turns_of(thread, lighting) for thread in threads_of(lineup)]
    return [
        Round(number, row[0][0], [Side(place, turn) for place, (_, turn) in enumerate(row)])
        for number, row in enumerate(zip(*turns, strict=False))
    ]


def turns_of(thread: Thread, lighting: Lighting) -> list[tuple[Message, AnswerView]]:
    """(question, answer) for each answer."""
    found, question = list[tuple[Message, AnswerView]](), Message()
    path = path_of(thread)
    load_names(path)
    for message in path:
        if message.role == Role.USER:
            question = message
        else:
            found.append((question, AnswerView.of(message, lighting)))
    return found
