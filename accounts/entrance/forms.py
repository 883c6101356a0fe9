"""The forms of signing in and up."""

from typing import Any

from allauth.account.forms import LoginForm, SignupForm


class SignInForm(LoginForm):
    """A name and a password."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["login"].label, self.fields["password"].label = "Name", "Password"
        for name in ("login", "password"):
            self.fields[name].widget.attrs.pop("placeholder", None)
        self.fields["password"].help_text = ""
        self.fields["login"].widget.attrs["autofocus"] = True

    def add_prefix(self, field_name: str) -> str:
        """The name is sent as `username`, as password managers and programs expect."""
        return super().add_prefix("username" if field_name == "login" else field_name)


class SignUpForm(SignupForm):
    """A name and a password; no mail address, since no mail is sent."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        labels = {"username": "Name", "password1": "Password", "password2": "Password, once more"}
        for name, label in labels.items():
            if name in self.fields:
                self.fields[name].label = label
                self.fields[name].widget.attrs.pop("placeholder", None)
        self.fields["username"].help_text = "Letters, digits and @ . + - _ only."
