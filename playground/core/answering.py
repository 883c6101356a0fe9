"""All that shapes one answer: how it is sampled, the system prompt, and how much the model shall think."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from playground.core.errors import ParameterError
from playground.core.sampling import SamplingParameters, shown
from playground.core.tools.offer import Offer

MAX_SYSTEM_CHARACTERS = 16_000
EFFORTS = ("low", "medium", "high")


@dataclass(frozen=True)
class AnswerParameters:
    """Raises ParameterError where a value is out of bounds or of the wrong type.

    sampling: as the engine is asked.
    system: what the model is told before the conversation; empty for nothing.
    thinking: whether it shall think first, where its template can tell it; None for as it does by itself.
    effort: how much it shall think (low, medium or high), where its template can tell it; empty for as it
        does by itself.
    tools: the functions that it may call.
    """

    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    system: str = ""
    thinking: bool | None = None
    effort: str = ""
    tools: Offer = field(default_factory=Offer)

    def __post_init__(self) -> None:
        if not isinstance(self.system, str):
            raise ParameterError("system", f"system is {shown(self.system)}; it must be a text.")
        if len(self.system) > MAX_SYSTEM_CHARACTERS:
            raise ParameterError(
                "system",
                f"The system prompt has {len(self.system):,} characters; at most "
                f"{MAX_SYSTEM_CHARACTERS:,} fit. Shorten it.",
            )
        if self.thinking is not None and not isinstance(self.thinking, bool):
            raise ParameterError("thinking", f"thinking is {shown(self.thinking)}; it must be true or false.")
        if self.effort and self.effort not in EFFORTS:
            known = ", ".join(EFFORTS)
            raise ParameterError("effort", f"effort is {shown(self.effort)}; it must be one of {known}.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From a mapping as `to_dict` writes it: the sampling parameters stand beside the others."""
        own = {name: values[name] for name in ("system", "thinking", "effort") if name in values}
        rest = {name: value for name, value in values.items() if name not in (*own, "tools")}
        return cls(SamplingParameters.from_dict(rest), **own, tools=Offer.from_dict(values.get("tools", {})))

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; what is left to the model is not in it."""
        own: dict[str, Any] = {"system": self.system, "thinking": self.thinking, "effort": self.effort}
        own["tools"] = self.tools.to_dict()
        return self.sampling.to_dict() | {k: v for k, v in own.items() if v not in ("", None, {})}
