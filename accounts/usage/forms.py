"""What a page of usage is asked for."""

from django import forms

DAYS = [(1, "today"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "a year")]
OWN = [("model", "by model"), ("key", "by key"), ("kind", "by kind")]
EVERYONE = [("person", "by person"), ("group", "by group"), *OWN]
DEFAULT_DAYS = 30


class UsageForm(forms.Form):
    """Everything may be left out; what cannot be read counts as left out."""

    days = forms.TypedChoiceField(choices=DAYS, coerce=int, required=False, empty_value=DEFAULT_DAYS)
    by = forms.ChoiceField(required=False)
    format = forms.ChoiceField(choices=[("csv", "csv")], required=False)

    def __init__(self, data: object, choices: list[tuple[str, str]]) -> None:
        super().__init__(data)
        self.fields["by"].choices = choices
        self.first = choices[0][0]
        self.is_valid()

    @property
    def days_asked(self) -> int:
        return int(self.cleaned_data.get("days") or DEFAULT_DAYS)

    @property
    def by_asked(self) -> str:
        return str(self.cleaned_data.get("by") or self.first)

    @property
    def is_csv(self) -> bool:
        return self.cleaned_data.get("format") == "csv"
