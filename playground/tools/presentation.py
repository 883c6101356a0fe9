"""The calls of an answer as a page shows them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from playground.models import CallRecord, Message
from playground.tools.calls import TOO_MANY, next_answer
from playground.tools.models import SETTLED, CallState


@dataclass(frozen=True)
class CallView:
    """A call with its arguments as text."""

    record: CallRecord

    @property
    def arguments(self) -> str:
        return json.dumps(self.record.arguments, ensure_ascii=False, indent=2)

    @property
    def waits(self) -> bool:
        return self.record.state == CallState.WAITING

    @property
    def is_own(self) -> bool:
        """Declared by the person, who then says what it gives."""
        return self.record.server_id is None


@dataclass(frozen=True)
class CallsView:
    """`following`: the answer that goes on from the results, where there is one."""

    calls: Sequence[CallView]
    following: Message | None

    @classmethod
    def of(cls, message: Message) -> "CallsView":
        records = message.calls.select_related("server")
        return cls([CallView(record) for record in records], next_answer(message))

    @property
    def moves(self) -> bool:
        """Whether something is about to change without the person: a call runs, or the answer is to come."""
        states = {call.record.state for call in self.calls}
        ended = states <= set(SETTLED) and not self.stopped
        return bool(self.calls) and (CallState.RUNNING in states or (ended and self.following is None))

    @property
    def looks_every_s(self) -> int:
        """How often a page asks whether it still shows what is there; 0 where nothing can change any more.

        What waits for the person here may be approved, refused or answered in another tab.
        """
        if self.moves:
            return 1
        return 2 if any(call.waits for call in self.calls) else 0

    @property
    def seen(self) -> str:
        """What a page that shows this has seen, so that it is told only of what is new."""
        states = "-".join(call.record.state for call in self.calls)
        return f"{states}-{self.following.pk}" if self.following else states

    @property
    def stopped(self) -> bool:
        """Whether the model called too often."""
        return any(call.record.result == TOO_MANY for call in self.calls)
