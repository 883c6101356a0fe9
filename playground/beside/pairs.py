"""Pairs of conversations: what a person sends is saved for both models before anything else happens."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import User
from playground.chat.branches import path_of
from playground.chat.presentation import AnswerView
from playground.chat.threads import Prompt, add_turn, create_thread
from playground.models import Message, MessageState, Pair, Role, Thread
from playground.traces.lighting import Lighting
from playground.traces.requests import own_threads
from training.models import Checkpoint

Answers = tuple[Message, Message]


@dataclass(frozen=True)
class PairPrompt:
    """What a person sent, and the two checkpoints that shall answer."""

    prompt: Prompt
    right: Checkpoint

    @property
    def sides(self) -> tuple[Prompt, Prompt]:
        return self.prompt, replace(self.prompt, checkpoint=self.right)


@dataclass(frozen=True)
class Round:
    """One prompt and its two answers. `comparison` is the address of their traces, once both are there."""

    number: int
    prompt: str
    left: AnswerView
    right: AnswerView

    @property
    def answers(self) -> tuple[AnswerView, AnswerView]:
        return self.left, self.right

    @property
    def is_done(self) -> bool:
        return all(view.message.state != MessageState.WRITING for view in self.answers)

    @property
    def comparison(self) -> str:
        if not self.is_done or not all(view.subject.spans for view in self.answers):
            return ""
        left, right = (f"answer-{view.message.pk}" for view in self.answers)
        return f"{reverse('compare')}?left={left}&right={right}"


def create_pair(*, owner: User | None, session_key: str, asked: PairPrompt) -> tuple[Pair, Answers]:
    """Two new conversations with the prompt, and their empty answers."""
    left, right = asked.sides
    with transaction.atomic():
        one, left_answer = create_thread(owner=owner, session_key=session_key, prompt=left)
        other, right_answer = create_thread(owner=owner, session_key=session_key, prompt=right)
        return Pair.objects.create(left=one, right=other), (left_answer, right_answer)


def add_round(*, pair: Pair, asked: PairPrompt) -> Answers:
    """The next prompt to both. Raises ThreadBusyError, with nothing saved, while either still answers."""
    left, right = asked.sides
    with transaction.atomic():
        return add_turn(thread=pair.left, prompt=left), add_turn(thread=pair.right, prompt=right)


def own_pairs(request: HttpRequest) -> Sequence[Pair]:
    """The browser's own pairs, the newest first."""
    mine = own_threads(request)
    return Pair.objects.filter(left__in=mine, right__in=mine).select_related("left", "right")  # type: ignore[return-value]


def rounds_of(pair: Pair, lighting: Lighting) -> list[Round]:
    """Every prompt with its two answers, as far as both conversations go together."""
    lefts, rights = turns_of(pair.left, lighting), turns_of(pair.right, lighting)
    return [
        Round(number, prompt, one, other)
        for number, ((prompt, one), (_, other)) in enumerate(zip(lefts, rights, strict=False))
    ]


def turns_of(thread: Thread, lighting: Lighting) -> list[tuple[str, AnswerView]]:
    """(prompt, answer) for each answer."""
    found, prompt = list[tuple[str, AnswerView]](), ""
    for message in path_of(thread):
        if message.role == Role.USER:
            prompt = message.raw_text
        else:
            found.append((prompt, AnswerView.of(message, lighting)))
    return found
