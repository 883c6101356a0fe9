"""The calls of an answer as a page shows them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from playground.models import CallRecord, Message
from playground.tools.calls import TOO_MANY, next_answer
from playground.tools.models import SETTLED, CallState


def indented(arguments: object) -> str:
    """A call's arguments as people read them."""
    return json.dumps(arguments, ensure_ascii=False, indent=2)


@dataclass(frozen=True)
class CallView:
    """A call as the person sees it in whose chat it was made."""

    record: CallRecord

    @property
    def function(self) -> str:
        return self.record.function

    @property
    def arguments(self) -> str:
        return indented(self.record.arguments)

    @property
    def state(self) -> str:
        waits_for_result = self.waits and self.is_own
        return "waits for its result" if waits_for_result else self.record.get_state_display()

    @property
    def result(self) -> str:
        return self.record.result

    @property
    def waits(self) -> bool:
        return self.record.state == CallState.WAITING

    @property
    def is_own(self) -> bool:
        """Declared by the person, who then says what it gives."""
        return self.record.server_id is None


@dataclass(frozen=True)
class CallsView:
    """`following`: the answer that goes on from the results, where there is one.

    `goes_on` is False where none will come by itself: the answer was read from a file.
    """

    calls: Sequence[CallView]
    following: Message | None
    goes_on: bool = True

    @classmethod
    def of(cls, message: Message) -> "CallsView":
        records = message.calls.select_related("server")
        return cls([CallView(record) for record in records], next_answer(message), not message.imported)

    @property
    def moves(self) -> bool:
        """Whether something is about to change without the person: a call runs, or the answer is to come."""
        states = {call.record.state for call in self.calls}
        to_come = states <= set(SETTLED) and self.goes_on and not self.stopped and self.following is None
        return bool(self.calls) and (CallState.RUNNING in states or to_come)

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
