"""What a person sends to their history, checked before anything is done."""

from typing import Any

from django import forms

from playground.history.files import FILE_BYTES_MAX, read_chat


class ImportForm(forms.Form):
    """A file that holds a chat; `chat` is what it holds."""

    file = forms.FileField(
        error_messages={"required": "Choose a file first.", "empty": "The file is empty: choose another."}
    )

    def clean_file(self) -> Any:
        upload = self.cleaned_data["file"]
        if upload.size > FILE_BYTES_MAX:
            raise forms.ValidationError(
                f"The file has {upload.size / 2**20:.0f} MiB; at most {FILE_BYTES_MAX // 2**20} MiB can be "
                "imported."
            )
        try:
            return read_chat(upload.read(), name=upload.name or "")
        except ValueError as error:
            raise forms.ValidationError(f"This file was not imported. {error}") from error
