"""Log-probabilities of tokens, as an engine gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ID_PREFIX = "token_id:"


@dataclass(frozen=True)
class TokenLogprob:
    """A token's natural log-probability under the model itself, before temperature and penalties.

    `top` are the likeliest tokens at its place with theirs, the likeliest first. `logprob` is None for the
    first token of a prompt, which nothing came before.
    """

    token_id: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()


def read_logprobs(logprobs: Mapping[str, Any] | None) -> tuple[TokenLogprob, ...]:
    """Of vLLM's completions, asked for with tokens written as ids."""
    if not logprobs:
        return ()
    tops: Sequence[Mapping[str, float] | None] = logprobs["top_logprobs"]
    rows = zip(logprobs["tokens"], logprobs["token_logprobs"], tops, strict=True)
    return tuple(TokenLogprob(read_id(token), logprob, read_top(top)) for token, logprob, top in rows)


def read_top(top: Mapping[str, float] | None) -> tuple[tuple[int, float], ...]:
    likeliest = sorted((top or {}).items(), key=lambda pair: -pair[1])
    return tuple((read_id(token), logprob) for token, logprob in likeliest)


def read_id(token: str) -> int:
    return int(token.removeprefix(ID_PREFIX))
