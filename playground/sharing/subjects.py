"""The turns of a shared chat, as pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar
from uuid import uuid5

from django.urls import reverse

from playground.models import Role
from playground.sharing.models import SharedThread, SharedTurn
from playground.tools.models import CallState
from playground.tools.presentation import indented
from playground.traces.subjects import Subject


@dataclass(frozen=True)
class TurnSubject(Subject):
    """An answer of a shared chat and its trace; `route_id` is the link's token."""

    position: int = 0

    @property
    def address(self) -> str:
        return f"{reverse('shared-chat', args=[self.route_id])}?from={self.position}"

    def spans_address(self, start: int, end: int) -> str:
        return reverse("shared-chat-spans", args=[self.route_id, self.position, start, end])


@dataclass(frozen=True)
class SharedCall:
    """A call of a function as a reader of a link sees it; `told` is as `FileCall` writes it."""

    told: dict[str, Any]
    waits: ClassVar[bool] = False

    @property
    def function(self) -> str:
        return self.told["function"]

    @property
    def arguments(self) -> str:
        return indented(self.told["arguments"])

    @property
    def state(self) -> str:
        state = CallState(self.told["state"])
        return "not made" if state == CallState.WAITING else state.label

    @property
    def result(self) -> str:
        return self.told["result"]


@dataclass(frozen=True)
class TurnView:
    """A turn as the template shows it; `prompt` is what an answer answers."""

    shared: SharedThread
    turn: SharedTurn
    prompt: str

    @property
    def is_answer(self) -> bool:
        return self.turn.role == Role.ASSISTANT

    @property
    def calls(self) -> list[SharedCall]:
        return [SharedCall(told) for told in self.turn.calls]

    @cached_property
    def subject(self) -> TurnSubject:
        return subject_of(self.shared, self.turn, self.prompt)


def views_of(shared: SharedThread, turns: Sequence[SharedTurn]) -> list[TurnView]:
    """Some of its turns in a row."""
    prompt = prompt_before(turns[0]) if turns else ""
    views = []
    for turn in turns:
        views.append(TurnView(shared, turn, prompt))
        prompt = turn.text if turn.role == Role.USER else prompt
    return views


def prompt_before(turn: SharedTurn) -> str:
    """What was asked last before a turn."""
    asked = SharedTurn.objects.filter(shared=turn.shared_id, position__lt=turn.position, role=Role.USER)
    return asked.order_by("-position").values_list("text", flat=True).first() or ""


def subject_of(shared: SharedThread, turn: SharedTurn, prompt: str) -> TurnSubject:
    trace: dict[str, Any] = turn.trace or {}
    return TurnSubject(
        pk=uuid5(shared.pk, str(turn.position)),
        route="shared-chat",
        route_id=shared.token,
        text=turn.text,
        trace=trace,
        model=turn.model or trace.get("model", ""),
        prompt=prompt,
        is_answer=True,
        created_at=turn.written_at,
        can_change=False,
        hides_calls=bool(turn.calls),
        position=turn.position,
    )
