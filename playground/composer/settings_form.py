"""How an answer shall be made, checked against what its model allows."""

from typing import Any

from django import forms

from playground.composer.bounds import MAX_NEW_TOKENS, bounds_of
from playground.core.answering import EFFORTS, MAX_SYSTEM_CHARACTERS, AnswerParameters
from playground.core.errors import ParameterError
from playground.core.sampling import SEEDS, SamplingParameters
from playground.core.tools.offer import Offer
from playground.model_field import FormWithModels, ModelField
from playground.tools.choices import ToolFields

SWITCH = {"on": True, "off": False}


class SettingsForm(FormWithModels, ToolFields):
    """A model, and all that shapes its answer but the prompt. What is left empty is left to the model."""

    model = ModelField()
    system = forms.CharField(required=False, max_length=MAX_SYSTEM_CHARACTERS)
    temperature = forms.FloatField(min_value=0, max_value=2, required=False)
    top_p = forms.FloatField(min_value=0, max_value=1, required=False)
    max_tokens = forms.IntegerField(min_value=1, max_value=MAX_NEW_TOKENS, required=False)
    stop = forms.CharField(required=False, strip=False, max_length=2000)
    seed = forms.IntegerField(min_value=-SEEDS, max_value=SEEDS - 1, required=False)
    thinking = forms.ChoiceField(choices=[("", ""), ("on", "on"), ("off", "off")], required=False)
    effort = forms.ChoiceField(choices=[("", ""), *((word, word) for word in EFFORTS)], required=False)

    def clean_system(self) -> str:
        return str(self.cleaned_data["system"]).replace("\r\n", "\n")

    def clean_stop(self) -> tuple[str, ...]:
        """One text a line; \\n and \\t stand for a new line and a tab."""
        lines = [line for line in self.cleaned_data["stop"].splitlines() if line]
        return tuple(line.replace("\\n", "\n").replace("\\t", "\t") for line in lines)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return data
        bounds = bounds_of(data["model"])
        longest = data["max_tokens"] or bounds.default_new_tokens
        if longest > bounds.max_new_tokens:
            self.add_error("max_tokens", too_long(longest, data["model"].name, bounds.context_tokens))
            return data
        try:
            data["parameters"] = AnswerParameters(
                sampling=sampling(data, longest),
                system=data["system"],
                thinking=SWITCH.get(data["thinking"]) if bounds.controls.switch else None,
                effort=data["effort"] if bounds.controls.effort else "",
                tools=self.offer() if bounds.takes_functions else Offer(),
            )
        except ParameterError as error:
            self.add_error(error.name, str(error))
        return data

    def first_error(self) -> str:
        """The first thing to put right, to be shown as it is."""
        field, errors = next(iter(self.errors.items()))
        return errors[0] if field == "model" else f"{field.replace('_', ' ').capitalize()}: {errors[0]}"

    def parameters(self) -> dict[str, Any]:
        """As a message keeps them."""
        chosen: AnswerParameters = self.cleaned_data["parameters"]
        return chosen.to_dict()


def sampling(data: dict[str, Any], max_tokens: int) -> SamplingParameters:
    """Temperature 0 is 0, and not the default: only an empty field is."""
    temperature, top_p = data["temperature"], data["top_p"]
    return SamplingParameters(
        temperature=0.0 if temperature is None else temperature,
        top_p=1.0 if top_p is None else top_p,
        max_tokens=max_tokens,
        stop=data["stop"],
        seed=data["seed"],
    )


def too_long(longest: int, model: str, context: int) -> str:
    return (
        f"{longest:,} is more than {model} reads and writes in all, {context:,} tokens. "
        f"Choose {context:,} or fewer."
    )
