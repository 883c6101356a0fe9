"""The form that names a corpus."""

from django import forms

NAME_CHARACTERS_MAX = 200


class CorpusForm(forms.Form):
    """Which one. Whether it is there and fits, the service says."""

    corpus = forms.CharField(max_length=NAME_CHARACTERS_MAX)
