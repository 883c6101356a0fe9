"""The forms by which models come in and go out."""

from django import forms

from training.corpora.choices import STORES_SHOWN, corpora
from training.transfers.folders import offered_folders
from training.transfers.services import PRECISIONS

NAME = r"^[a-z0-9][a-z0-9-]*$"
NAME_CHARACTERS_MAX = 100


class ImportForm(forms.Form):
    """A directory of those that lie in imports/, a name, and the corpora behind the model."""

    folder = forms.ChoiceField(label="Directory", help_text="In imports/ of the data directory.")
    name = forms.RegexField(
        NAME,
        max_length=NAME_CHARACTERS_MAX,
        label="Name",
        help_text="Of the checkpoint: lower-case letters, digits and hyphens.",
        error_messages={"invalid": "Lower-case letters, digits and hyphens only."},
    )
    corpora = forms.MultipleChoiceField(
        required=False,
        label="Corpora behind it",
        help_text="Stores in its own tokenizer, to which its answers are traced. They can be attached later.",
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        names = corpora().values_list("name", flat=True)[:STORES_SHOWN]
        self.fields["folder"].choices = [(name, name) for name in offered_folders()]  # type: ignore[attr-defined]
        self.fields["corpora"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]


class ExportForm(forms.Form):
    """Whether a GGUF file is written too."""

    gguf = forms.ChoiceField(required=False, choices=[("", "none"), *((p, p) for p in PRECISIONS)])


class MergeForm(forms.Form):
    """The name of the whole checkpoint; empty: the adapter's with `-merged`."""

    name = forms.RegexField(NAME, required=False, max_length=NAME_CHARACTERS_MAX)
