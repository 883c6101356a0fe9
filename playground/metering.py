"""What an answer takes: counted while it comes, written down when it ends, however it ends."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

from django.http import HttpRequest

from accounts.authentication import Caller
from accounts.limits.spender import Spender
from playground.completions import Event, Finished, Piece, Started
from playground.gateway.ledger import Taken, write_down


@dataclass
class Meter:
    """Counts one answer of `model` for the spender who was admitted to it.

    `see` takes each event; `close` writes down what was used, in the background, and settles one reservation.
    Engine seconds are those from its first sign of life to the answer's end: the engine may have been at work
    for others beside it.
    """

    spender: Spender
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    started_at: float | None = None
    is_closed: bool = field(default=False)

    @classmethod
    def of_request(cls, request: HttpRequest, caller: Caller, model: str) -> "Meter":
        """For an answer over /v1, which leaves the settling of its admission to this meter from now on."""
        meter = cls(Spender.of_caller(caller), model)
        request.meter = meter  # type: ignore[attr-defined]
        return meter

    def see(self, event: Event) -> None:
        match event:
            case Started(prompt_token_ids=ids):
                self.started_at, self.prompt_tokens = time.monotonic(), len(ids)
            case Piece(token_ids=ids):
                self.completion_tokens += len(ids)
            case Finished(usage=usage):
                self.prompt_tokens, self.completion_tokens = usage.prompt_tokens, usage.completion_tokens

    def close(self) -> None:
        """Once. A client that left is no reason not to count what it took."""
        if self.is_closed:
            return
        self.is_closed = True
        engine_s = None if self.started_at is None else time.monotonic() - self.started_at
        write_down(Taken(self.spender, self.model, self.prompt_tokens, self.completion_tokens, engine_s))


async def metered(events: AsyncIterator[Event], meter: Meter) -> AsyncIterator[Event]:
    """The events of an answer, counted. Closing the iterator closes `events`."""
    try:
        async with aclosing(events):  # type: ignore[type-var]
            async for event in events:
                meter.see(event)
                yield event
    finally:
        meter.close()
