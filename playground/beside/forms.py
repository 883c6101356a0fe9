"""A prompt for several models, and a vote, checked before anything is saved."""

from collections.abc import Mapping
from typing import Any

from django import forms

from playground.beside.lineups import LineupPrompt
from playground.beside.models import Verdict
from playground.chat.forms import MessageForm
from playground.model_field import ModelField

MODEL_FIELDS = ("model", "right", "third")
"""The fields of the models, by their places."""


class LineupForm(MessageForm):
    """As a message, with two models or three; unless it is blind they may be the same, at a temperature."""

    right = ModelField()
    third = ModelField(required=False)
    blind = forms.BooleanField(required=False)

    def __init__(self, data: Mapping[str, Any], *, places: int | None = None, **options: Any) -> None:
        """`places` are those of a lineup that goes on."""
        super().__init__(data, **options)
        self.fields["third"].required = places == 3
        if places == 2:
            del self.fields["third"]

    def clean(self) -> dict[str, Any] | None:
        chosen = [self.cleaned_data.get(name) for name in MODEL_FIELDS]
        models = [model for model in chosen if model]
        if self.cleaned_data.get("blind") and len(set(models)) < len(models):
            self.add_error("right", "A blind vote needs different models: choose another.")
        return super().clean()

    def first_error(self) -> str:
        for name in MODEL_FIELDS[1:]:
            if len(self.errors) == 1 and name in self.errors:
                return str(self.errors[name][0])
        return super().first_error()

    def lineup_prompt(self) -> LineupPrompt:
        others = [self.cleaned_data.get(name) for name in MODEL_FIELDS[1:]]
        present = tuple(other for other in others if other)
        return LineupPrompt(self.prompt(), present, blind=self.cleaned_data["blind"])


class VoteForm(forms.Form):
    """The place of the better one, or that none is better."""

    verdict = forms.ChoiceField(
        choices=[(name, name) for name in ("0", "1", "2", Verdict.TIE.value, Verdict.BAD.value)]
    )

    @property
    def winner(self) -> int | None:
        verdict = self.cleaned_data["verdict"]
        return int(verdict) if verdict.isdecimal() else None

    @property
    def found(self) -> Verdict:
        return Verdict.BETTER if self.winner is not None else Verdict(self.cleaned_data["verdict"])
