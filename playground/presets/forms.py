"""A preset to be kept, checked as a message's settings are."""

from django import forms

from playground.composer.settings_form import SettingsForm
from playground.presets.models import NAME_CHARACTERS


class PresetForm(SettingsForm):
    """Settings and the name to keep them under."""

    preset_name = forms.CharField(
        max_length=NAME_CHARACTERS, error_messages={"required": "give the preset a name first."}
    )
