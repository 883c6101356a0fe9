"""The field of a form that chooses a model."""

from typing import Any

from django import forms

from training.models import Checkpoint


class ModelField(forms.ModelChoiceField):
    """A checkpoint by its name."""

    def __init__(self, **options: Any) -> None:
        messages = {
            "required": "Choose a model first.",
            "invalid_choice": "There is no model of that name any more. Choose another.",
        }
        every = Checkpoint.objects.all()
        super().__init__(every, to_field_name="name", error_messages=messages, **options)
