"""The field of a form that chooses a model."""

from typing import Any

from django import forms

from accounts.models import User
from training.access import checkpoints_for
from training.models import Checkpoint


class ModelField(forms.ModelChoiceField):
    """A checkpoint by its name."""

    def __init__(self, **options: Any) -> None:
        messages = {
            "required": "Choose a model first.",
            "invalid_choice": "There is no model of that name for you any more. Choose another.",
        }
        super().__init__(Checkpoint.objects.none(), to_field_name="name", error_messages=messages, **options)


class FormWithModels(forms.Form):
    """A form whose models are those that `user` may talk to; None stands for somebody not signed in."""

    def __init__(self, *args: Any, user: User | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            if isinstance(field, ModelField):
                field.queryset = checkpoints_for(user)
