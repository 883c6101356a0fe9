"""The form of a fine-tune's numbers, checked as its recipe is."""

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from django import forms

from training.core.bounds import Between
from training.core.recipe import AdapterRecipe
from training.core.recipe_files import STAGES
from training.fine_tuning.checks import NAME_CHARACTERS_MAX
from training.fine_tuning.numbers import LORA, Number, numbers_for


class NumbersForm(forms.Form):
    """A name and the settings of a stage; `settings` and `adapter` are for start_fine_tune."""

    name = forms.RegexField(
        r"^[a-z0-9][a-z0-9-]*$",
        required=False,
        max_length=NAME_CHARACTERS_MAX,
        label="Name",
        help_text="Prefix of its checkpoints' names: lower-case letters, digits and hyphens. Empty: one is "
        "made up.",
        error_messages={"invalid": "Lower-case letters, digits and hyphens only."},
    )

    def __init__(self, *args: Any, stage: str, proposed: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.numbers = numbers_for(stage)
        for number in self.numbers:
            self.fields[number.setting] = field_of(number, STAGES[stage], proposed.get(number.setting))
        adapter = proposed.get("adapter")
        self.fields["lora"] = forms.BooleanField(
            required=False,
            initial=bool(adapter),
            label="LoRA: train a small adapter instead of all weights",
            help_text="Less memory, a file of a few megabytes, and served beside its parent by one engine. "
            "All weights can learn more.",
        )
        for number in LORA:
            initial = (adapter or {}).get(number.setting)
            self.fields[number.setting] = field_of(number, AdapterRecipe, initial)

    @property
    def plain(self) -> list[forms.BoundField]:
        """The fields that everybody sees."""
        return [self["name"], *(self[number.setting] for number in self.numbers if not number.is_detail)]

    @property
    def details(self) -> list[forms.BoundField]:
        """Those for who wants to see more."""
        return [self[number.setting] for number in self.numbers if number.is_detail]

    @property
    def adapter_fields(self) -> list[forms.BoundField]:
        return [self[number.setting] for number in LORA]

    @property
    def settings(self) -> dict[str, Any]:
        """The recipe's settings that were typed."""
        return {number.setting: self.cleaned_data[number.setting] for number in self.numbers}

    @property
    def adapter(self) -> dict[str, Any] | None:
        if not self.cleaned_data["lora"]:
            return None
        return {number.setting: self.cleaned_data[number.setting] for number in LORA}


def field_of(number: Number, kind: type, initial: object) -> forms.Field:
    """A field with the bounds that the recipe has for the setting. Django refuses NaN and infinity itself."""
    base, bounds = get_args(get_type_hints(kind, include_extras=True)[number.setting])
    assert isinstance(bounds, Between)  # every number of a recipe has bounds
    shared: dict[str, Any] = {"label": number.label, "help_text": number.help}
    if initial is None:
        initial = kind.__dataclass_fields__[number.setting].default
    low, high = bounds.low, bounds.high
    if base is int:
        return forms.IntegerField(min_value=int(low), max_value=int(high), initial=initial, **shared)
    widget = forms.NumberInput(attrs={"step": "any"})
    return forms.FloatField(min_value=low, max_value=high, initial=initial, widget=widget, **shared)
