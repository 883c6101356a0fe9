"""Sampled tokens become pieces of text."""

from collections.abc import Sequence
from dataclasses import replace

from playground.completions.events import Event, Finished, Piece, Started, Usage
from playground.completions.jobs import Job
from playground.core.decoding import Decoded, StopFinder, TokenDecoder
from playground.core.engine_client import Sampled
from playground.core.logprobs import TokenLogprob


class Writer:
    """Turns sampled tokens into pieces of the answer."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.decoder = TokenDecoder(job.chat.tokenizer)
        self.stops = StopFinder(job.request.parameters.stop)
        self.sampled = 0
        self.logprobs: list[TokenLogprob] = []
        self.finish_reason = ""

    def begin(self, sampled: Sampled) -> list[Event]:
        prompt = self.job.prompt
        given = prompt.token_ids[: len(prompt.token_ids) - len(prompt.begun)]
        begun = self.job.chat.tokenizer.decode(prompt.begun)[0] if prompt.begun else ""
        return [Started(given, sampled.prompt_logprobs), *([Piece(prompt.begun, begun)] if begun else [])]

    def add(self, sampled: Sampled) -> Piece | None:
        self.sampled += len(sampled.token_ids)
        ends = self.job.request.end_ids
        ids = [i for i in sampled.token_ids if i not in ends]
        if sampled.logprobs:
            self.logprobs += [row for row in sampled.logprobs if row.token_id not in ends]
        apart = [[i] for i in ids] if self.stops.stops else [ids]
        pieces = self.stops.push([self.decoder.push(part) for part in apart])
        self.finish_reason = "stop" if self.stops.found else sampled.finish_reason or ""
        return self.with_logprobs(joined(pieces))

    def last(self) -> Piece | None:
        """What was held back until it was clear how it ends."""
        if self.stops.found:
            return None
        return self.with_logprobs(joined([*self.stops.push([self.decoder.finish()]), *self.stops.finish()]))

    def with_logprobs(self, piece: Piece | None) -> Piece | None:
        """The piece with those of its tokens: ids leave in the order in which they came."""
        if piece is None or not self.logprobs:
            return piece
        count = len(piece.token_ids)
        own, self.logprobs = self.logprobs[:count], self.logprobs[count:]
        return replace(piece, logprobs=tuple(own))

    def finished(self) -> Finished:
        usage = Usage(len(self.job.prompt.token_ids), self.sampled)
        return Finished("stop" if self.stops.found else self.finish_reason, usage)


def joined(pieces: Sequence[Decoded]) -> Piece | None:
    ids = tuple(i for piece in pieces for i in piece.token_ids)
    return Piece(ids, "".join(piece.text for piece in pieces)) if ids else None
