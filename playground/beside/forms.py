"""A prompt for two models, checked before anything is saved."""

from playground.beside.pairs import PairPrompt
from playground.chat.forms import MessageForm
from playground.model_field import ModelField


class PairForm(MessageForm):
    """As a message, with two models; they may be the same, at a temperature."""

    right = ModelField()

    def first_error(self) -> str:
        errors = self.errors.get("right")
        return str(errors[0]) if errors and len(self.errors) == 1 else super().first_error()

    def pair_prompt(self) -> PairPrompt:
        return PairPrompt(self.prompt(), self.cleaned_data["right"])
