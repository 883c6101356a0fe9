"""What a person may send, checked before anything is saved."""

from django import forms

from playground.attachments.field import AttachmentsField
from playground.chat.threads import Prompt
from playground.composer.settings_form import SettingsForm

MAX_CHARACTERS = 32_000


class MessageForm(SettingsForm):
    """A prompt, and how its answer shall be made."""

    text = forms.CharField(strip=False)
    attachments = AttachmentsField(required=False)

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        if not text.strip():
            raise forms.ValidationError("Write something first.")
        if len(text) > MAX_CHARACTERS:
            raise forms.ValidationError(
                f"Your message has {len(text):,} characters; at most {MAX_CHARACTERS:,} fit. "
                "Shorten it and send again."
            )
        return text

    def first_error(self) -> str:
        if errors := self.errors.get("text"):
            return "Write something first." if "required" in errors.as_json() else str(errors[0])
        return super().first_error()

    def prompt(self) -> Prompt:
        data = self.cleaned_data
        return Prompt(data["text"], data["model"], self.parameters(), data["attachments"])
