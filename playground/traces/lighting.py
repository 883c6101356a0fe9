"""Which runs of words a page lights: how many, how short, and whether only what a fine-tune added."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import BadRequest
from django.http import HttpRequest

from tracing.core.matching.spans import SpanOptions

DEFAULT = SpanOptions()
MIN_TOKENS_MAX = 64
MANY_RUNS = 0.3
"""Above this density a page lights so many runs that fewer documents are looked up for each."""
SESSION_KEY = "lighting"


class LightingForm(forms.Form):
    """The query of a page, as its sliders send it; everything may be left out."""

    density = forms.FloatField(min_value=0, max_value=1, required=False)
    min_tokens = forms.IntegerField(min_value=1, max_value=MIN_TOKENS_MAX, required=False)
    all = forms.BooleanField(required=False)
    view = forms.ChoiceField(choices=[("added", "added")], required=False)
    added_since = forms.CharField(max_length=120, required=False)


@dataclass(frozen=True)
class Lighting:
    """`density` and `min_tokens` as a trace takes them; `added` shows what was added since an ancestor.

    An empty `added_since` then means the checkpoint's direct parent.
    """

    density: float = DEFAULT.density
    min_tokens: int = DEFAULT.min_tokens
    added: bool = False
    added_since: str = ""

    @classmethod
    def asked(cls, request: HttpRequest) -> Self | None:
        """What the query asks for; None where it asks for nothing. BadRequest for numbers out of bounds."""
        form = LightingForm(request.GET)
        if not form.is_valid():
            name, errors = next(iter(form.errors.items()))
            raise BadRequest(f"{name}: {errors[0]}")
        given = form.cleaned_data
        if not any(name in request.GET for name in form.fields):
            return None
        added = given["view"] == "added" or bool(given["added_since"])
        density = 1.0 if given["all"] else given["density"]
        if density is None:
            density = 1.0 if added else DEFAULT.density
        return cls(density, given["min_tokens"] or DEFAULT.min_tokens, added, given["added_since"])

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """What the query asks for, or else what this browser chose last."""
        asked = cls.asked(request)
        return asked if asked is not None else cls.remembered(request)

    @classmethod
    def remembered(cls, request: HttpRequest) -> Self:
        kept = request.session.get(SESSION_KEY)
        return cls(**kept) if isinstance(kept, dict) else cls()

    def remember(self, request: HttpRequest) -> None:
        """Keep it for this browser's session, without what belongs to one model only."""
        request.session[SESSION_KEY] = {"density": self.density, "min_tokens": self.min_tokens}

    @property
    def is_default(self) -> bool:
        return self == type(self)()

    @property
    def all_runs(self) -> bool:
        return self.density >= 1

    @property
    def query(self) -> str:
        """The query that asks for this, with its question mark; empty for the default."""
        if self.is_default:
            return ""
        fields: dict[str, Any] = {"density": f"{self.density:g}", "min_tokens": self.min_tokens}
        if self.added:
            fields["view"] = "added"
        if self.added_since:
            fields["added_since"] = self.added_since
        return "?" + urlencode(fields)

    @property
    def options(self) -> Mapping[str, Any]:
        """As training.traces takes them."""
        few = 4 if self.density > MANY_RUNS else None
        return {"density": self.density, "min_tokens": self.min_tokens, "max_documents": few}

    def since(self, name: str) -> Self:
        return replace(self, added_since=name)
