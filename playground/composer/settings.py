"""The settings as the page shows them: each field's text, within the bounds of the chosen model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self
from uuid import UUID

from playground.chat.branches import end_of
from playground.composer.bounds import ModelBounds, bounds_of
from playground.core.answering import EFFORTS
from playground.core.sampling import MAX_STOP_CHARACTERS
from playground.models import Thread
from playground.tools.choices import ToolChoices
from training.models import Checkpoint

FIELDS = ("system", "temperature", "top_p", "max_tokens", "stop", "seed", "thinking", "effort")
SHOWN_CHARACTERS = 20_000
DEFAULTS = {"temperature": "0", "top_p": "1"}
EFFORT_WORDS = (("", "as the model likes"), *((word, word) for word in EFFORTS))
THINKING_WORDS = (("", "as the model likes"), ("on", "on"), ("off", "off"))


@dataclass(frozen=True)
class ComposerSettings:
    """`values`: what stands in each field, as text."""

    values: Mapping[str, str]
    bounds: ModelBounds
    tools: ToolChoices = field(default_factory=ToolChoices)

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any], checkpoint: Checkpoint | None) -> Self:
        """Those with which an answer was made, or a preset was kept."""
        tools = ToolChoices.of_parameters(parameters)
        return cls(texts_of(parameters), bounds_of(checkpoint), tools)

    @classmethod
    def of_form(cls, form: Mapping[str, str], checkpoint: Checkpoint | None) -> Self:
        """Those that somebody has chosen and not sent yet, right or wrong."""
        values = {name: form.get(name, "")[:SHOWN_CHARACTERS] for name in FIELDS}
        return cls(values, bounds_of(checkpoint), ToolChoices.of_form(form))

    @cached_property
    def max_tokens(self) -> str:
        """As chosen, but never more than the model allows: it may be another model now."""
        chosen = self.values.get("max_tokens", "")
        if not chosen.isdecimal():
            return str(self.bounds.default_new_tokens)
        return str(min(int(chosen[:9]), self.bounds.max_new_tokens))

    @property
    def efforts(self) -> tuple[tuple[str, str], ...]:
        return EFFORT_WORDS

    @property
    def switches(self) -> tuple[tuple[str, str], ...]:
        return THINKING_WORDS

    @property
    def changed(self) -> int:
        """How many are not as they come, so that the closed box can say so."""
        usual = {**DEFAULTS, "max_tokens": str(self.bounds.default_new_tokens)}
        shown = {**self.values, "max_tokens": self.max_tokens}
        return sum(bool(shown.get(name)) and shown[name] != usual.get(name, "") for name in FIELDS)


def texts_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as `AnswerParameters.to_dict` writes them, as texts of the fields."""
    given = {**DEFAULTS, **{name: parameters[name] for name in FIELDS if parameters.get(name) is not None}}
    texts = {name: text_of(value) for name, value in given.items() if name not in ("stop", "thinking")}
    stops = [escaped(stop[:MAX_STOP_CHARACTERS]) for stop in parameters.get("stop") or ()]
    thinking = {True: "on", False: "off"}.get(parameters.get("thinking"), "")  # type: ignore[call-overload]
    return {**texts, "stop": "\n".join(stops), "thinking": thinking}


def text_of(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def escaped(stop: str) -> str:
    return stop.replace("\n", "\\n").replace("\t", "\\t")


def settings_of_thread(
    thread: Thread | None, checkpoint: Checkpoint | None, leaf: UUID | None = None
) -> ComposerSettings:
    """A thread goes on as the last answer of the path was made that the page shows, which ends in `leaf`; a
    new one begins with the defaults."""
    last = thread.messages.filter(pk=leaf).first() if thread and leaf else None
    last = last or (end_of(thread) if thread else None)
    return ComposerSettings.of_parameters(last.parameters if last else {}, checkpoint)
