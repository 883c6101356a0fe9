"""The field of a form that names attached files."""

from typing import Any
from uuid import UUID

from django import forms

from playground.attachments.services import MAX_FILES


class AttachmentsField(forms.Field):
    """Ids of attached files, each once. Whose they are is checked where they are attached."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> tuple[UUID, ...]:
        try:
            ids = tuple(dict.fromkeys(UUID(pk) for pk in value or ()))
        except ValueError as error:
            raise forms.ValidationError("one of them is not a file that was attached here.") from error
        if len(ids) > MAX_FILES:
            raise forms.ValidationError(f"{len(ids)} are more than the {MAX_FILES} that fit. Remove some.")
        return ids
