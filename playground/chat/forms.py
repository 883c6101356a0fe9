"""What a person may send, checked before anything is saved."""

from django import forms

from playground.chat.threads import Prompt
from playground.model_field import FormWithModels, ModelField

MAX_CHARACTERS = 32_000
MAX_NEW_TOKENS = 32_768
DEFAULT_NEW_TOKENS = 256


class MessageForm(FormWithModels):
    """A prompt and how its answer is sampled."""

    text = forms.CharField(strip=False)
    model = ModelField()
    temperature = forms.FloatField(min_value=0, max_value=2, required=False)
    max_tokens = forms.IntegerField(min_value=1, max_value=MAX_NEW_TOKENS, required=False)

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
        field, errors = next(iter(self.errors.items()))
        if field == "text" and "required" in errors.as_json():
            return "Write something first."
        return (
            errors[0]
            if field in {"text", "model"}
            else f"{field.replace('_', ' ').capitalize()}: {errors[0]}"
        )

    def prompt(self) -> Prompt:
        temperature = self.cleaned_data["temperature"]
        parameters = {
            "temperature": 0.0 if temperature is None else temperature,
            "max_tokens": self.cleaned_data["max_tokens"] or DEFAULT_NEW_TOKENS,
        }
        return Prompt(self.cleaned_data["text"], self.cleaned_data["model"], parameters)
