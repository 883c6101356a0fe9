"""What a new key shall be."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.authentication import STAFF_SCOPES
from accounts.limits.models import AMOUNT_MAX
from accounts.models import Scope, User

LASTS = [
    ("7", "7 days"),
    ("30", "30 days"),
    ("90", "90 days"),
    ("365", "a year"),
    ("", "until it is revoked"),
]


class KeyForm(forms.Form):
    """Offers the scopes that the person has themselves."""

    name = forms.CharField(
        max_length=50,
        error_messages={
            "required": "Give the key a name that says where it is used.",
            "max_length": "The name is too long: %(limit_value)d characters at most.",
        },
    )
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.CHAT],
        error_messages={
            "required": "Choose what the key may do.",
            "invalid_choice": "%(value)r is not among what you may give a key.",
        },
    )
    lasts = forms.TypedChoiceField(
        choices=LASTS, coerce=int, empty_value=None, required=False, initial="90", label="Works for"
    )
    tokens_a_day = forms.IntegerField(
        min_value=1,
        max_value=AMOUNT_MAX,
        required=False,
        label="Tokens a day at most",
        error_messages={
            "invalid": "Tokens a day have to be a whole number.",
            "min_value": "Tokens a day have to be %(limit_value)d or more.",
            "max_value": "Tokens a day can be %(limit_value)d at most.",
        },
    )

    def __init__(self, *args: Any, user: User, **options: Any) -> None:
        super().__init__(*args, **options)
        offered = [
            (value, label) for value, label in Scope.choices if user.is_staff or value not in STAFF_SCOPES
        ]
        self.fields["scopes"].choices = offered

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not name.isprintable():
            raise ValidationError("The name holds characters that cannot be shown.")
        return name

    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["lasts"]
        return timezone.now() + timedelta(days=days) if days else None

    def first_error(self) -> str:
        return str(next(iter(self.errors.values()))[0])
