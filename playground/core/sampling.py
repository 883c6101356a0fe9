"""How an answer is sampled: parameters with bounds, checked once, wherever they come from."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from playground.core.errors import ParameterError

MAX_NEW_TOKENS = 1_000_000
MAX_STOPS = 4
MAX_STOP_CHARACTERS = 200
SEEDS = 2**63
MAX_LOGPROBS = 20
MAX_BIASES = 300
MAX_TOKEN_ID = 2**31 - 1


@dataclass(frozen=True)
class SamplingParameters:
    """Raises ParameterError where a value is out of bounds, NaN or of the wrong type.

    temperature: 0 takes the likeliest token each time; at most 2.
    top_p: share of the probability mass that is sampled from, above 0 and at most 1.
    max_tokens: at most so many new tokens; None for as many as the context holds.
    stop: the answer ends before the first of these texts.
    seed: the same seed gives the same answer on the same engine; None for another answer each time.
    presence_penalty, frequency_penalty: from -2 to 2; above 0, tokens of the answer become less likely in it.
    logit_bias: added to the logits of tokens, by their ids as texts: from -100 to 100.
    logprobs: so many of the likeliest tokens come with each sampled one; None for no log-probabilities.
    structure: the form that the answer must have, as core.tools.structure makes it; None for any.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[str, float] = field(default_factory=dict)
    logprobs: int | None = None
    structure: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, 0, 2)
        check_number("top_p", self.top_p, 0, 1)
        if self.top_p == 0:
            raise ParameterError("top_p", "top_p is 0; it must be above 0 and at most 1.")
        if self.max_tokens is not None:
            check_whole("max_tokens", self.max_tokens, 1, MAX_NEW_TOKENS)
        if self.seed is not None:
            check_whole("seed", self.seed, -SEEDS, SEEDS - 1)
        check_stops(self.stop)
        check_number("presence_penalty", self.presence_penalty, -2, 2)
        check_number("frequency_penalty", self.frequency_penalty, -2, 2)
        check_biases(self.logit_bias)
        if self.logprobs is not None:
            check_whole("logprobs", self.logprobs, 0, MAX_LOGPROBS)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From a mapping as `to_dict` writes it; names that are not there take their defaults."""
        unknown = values.keys() - {field.name for field in fields(cls)}
        if unknown:
            name = min(unknown)
            raise ParameterError(name, f"{name!r} is not a sampling parameter.")
        stop = values.get("stop", ())
        return cls(**{**values, "stop": tuple(stop) if isinstance(stop, list) else stop})

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it. What was added later is left out where it asks for nothing."""
        values = {**asdict(self), "stop": list(self.stop)}
        return {k: v for k, v in values.items() if k not in LATER or v != LATER[k]}


LATER = {
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": None,
    "structure": None,
}


def check_number(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterError(name, f"{name} is {shown(value)}; it must be a number from {least} to {most}.")
    if not math.isfinite(value) or not least <= value <= most:
        raise ParameterError(name, f"{name} is {shown(value)}; it must be from {least} to {most}.")


def check_whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        message = f"{name} is {shown(value)}; it must be a whole number from {least} to {most}."
        raise ParameterError(name, message)


def check_stops(stops: object) -> None:
    if not isinstance(stops, tuple) or not all(isinstance(stop, str) for stop in stops):
        raise ParameterError("stop", f"stop is {shown(stops)}; it must be a list of texts.")
    if len(stops) > MAX_STOPS:
        raise ParameterError("stop", f"stop has {len(stops)} texts; at most {MAX_STOPS} are possible.")
    if not all(0 < len(stop) <= MAX_STOP_CHARACTERS for stop in stops):
        message = f"Each stop text must have 1 to {MAX_STOP_CHARACTERS} characters."
        raise ParameterError("stop", message)


def check_biases(biases: object) -> None:
    if not isinstance(biases, Mapping) or len(biases) > MAX_BIASES:
        raise ParameterError("logit_bias", f"logit_bias must be at most {MAX_BIASES} numbers by token id.")
    for token, bias in biases.items():
        check_number("logit_bias", bias, -100, 100)
        if not (isinstance(token, str) and token.isascii() and token.isdigit() and len(token) < 11):
            raise ParameterError("logit_bias", f"logit_bias names {shown(token)}, which is no token id.")
        check_whole("logit_bias", int(token), 0, MAX_TOKEN_ID)


def shown(value: object) -> str:
    """A value as a message shows it: cut short, because it comes from outside."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of too many digits to print
        return "too large"
    return text if len(text) <= 40 else f"{text[:40]}…"
