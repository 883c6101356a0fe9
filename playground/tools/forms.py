"""The form of an MCP server. Its secret goes in and never comes out again."""

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms

from accounts.sealing import seal
from playground.tools.models import ToolServer

HEADER_VALUE = re.compile(r"[!-~]+(?: [!-~]+)*")
MOVED = (
    "The secret goes to the server for which it was entered. This address is another one: enter the secret "
    "for it, or forget the one that is kept."
)


class ToolServerForm(forms.ModelForm):
    """Without a new secret the one that is kept stays, as long as the server is the same."""

    secret = forms.CharField(
        required=False,
        max_length=4000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 60}),
        help_text="The value of the Authorization header, such as “Bearer abc”, where the server asks for "
        "one. It is kept sealed and never shown again; empty leaves the one that is kept.",
    )
    forget_secret = forms.BooleanField(
        required=False, help_text="Call the server without a secret from now on."
    )

    class Meta:
        model = ToolServer
        fields = ["name", "address", "secret", "forget_secret", "enabled", "trusted"]

    def clean_secret(self) -> str:
        secret: str = self.cleaned_data["secret"]
        if secret and not HEADER_VALUE.fullmatch(secret):
            raise forms.ValidationError(
                "A header holds visible ASCII characters with single spaces between words."
            )
        return secret

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        kept = self.instance.sealed_authorization
        if kept and not data.get("secret") and not data.get("forget_secret") and self._has_moved(data):
            self.add_error("secret", MOVED)
        return data

    def _has_moved(self, data: dict[str, Any]) -> bool:
        before, now = urlsplit(self.initial.get("address", "")), urlsplit(data.get("address", ""))
        return (before.scheme, before.netloc) != (now.scheme, now.netloc)

    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data["forget_secret"]:
            self.instance.sealed_authorization = ""
        if secret := self.cleaned_data["secret"]:
            self.instance.sealed_authorization = seal(secret)
        return super().save(commit)
