"""What happens to an answer, from the wait for an engine to its last token."""

from dataclasses import dataclass

from playground.core.logprobs import TokenLogprob


@dataclass(frozen=True)
class Waiting:
    """No engine is at work yet; `reason` says what is being waited for, to be shown as it is."""

    reason: str


@dataclass(frozen=True)
class Started:
    """The engine has begun. `prompt_token_ids` are what it was given, scored where that was asked for."""

    prompt_token_ids: tuple[int, ...]
    prompt_logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Piece:
    """The next tokens of the answer and the text that they decode to, thinking and its tags included.

    The pieces' texts together are the decoding of their ids together. Only a stop text may cut the last one
    shorter. `logprobs` are those of the ids, where they were asked for.
    """

    token_ids: tuple[int, ...]
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Usage:
    """Tokens read and tokens sampled, the end token included."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Finished:
    """The answer is complete ("stop"), or as long as it may be ("length")."""

    finish_reason: str
    usage: Usage


Event = Waiting | Started | Piece | Finished
