"""Which functions the composer offers to choose from, and which are chosen."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict

from playground.core.errors import ParameterError
from playground.core.tools.offer import MAX_TEXT, Offer
from playground.tools.models import ToolServer


@dataclass(frozen=True)
class ToolChoices:
    """`functions`: the person's own, as text, right or wrong."""

    functions: str = ""
    servers: tuple[str, ...] = ()
    required: bool = False

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        chosen = parameters.get("tools", {})
        own = [tool["function"] for tool in chosen.get("functions", [])]
        text = json.dumps(own, ensure_ascii=False, indent=1) if own else ""
        return cls(text, tuple(chosen.get("servers", [])), bool(chosen.get("required")))

    @classmethod
    def of_form(cls, form: Mapping[str, str]) -> Self:
        servers = form.getlist("tool_servers") if isinstance(form, QueryDict) else []
        text = form.get("functions", "")[:MAX_TEXT]
        return cls(text, tuple(servers), form.get("tool_choice") == "required")

    @property
    def servers_offered(self) -> QuerySet[ToolServer]:
        return ToolServer.objects.offered()


class ToolFields(forms.Form):
    """What a message says about functions. Names of servers that are gone are left out."""

    functions = forms.CharField(required=False, max_length=MAX_TEXT)
    tool_servers = forms.MultipleChoiceField(required=False)
    tool_choice = forms.ChoiceField(choices=[("", ""), ("required", "required")], required=False)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        names = ToolServer.objects.offered().values_list("name", "name")
        self.fields["tool_servers"].choices = names  # type: ignore[attr-defined]

    def clean_functions(self) -> str:
        text: str = self.cleaned_data["functions"]
        try:
            Offer.read(text)
        except ParameterError as error:
            raise forms.ValidationError(str(error)) from error
        return text

    def offer(self) -> Offer:
        """Of fields that are right."""
        data = self.cleaned_data
        servers = tuple(data["tool_servers"])
        return Offer(Offer.read(data["functions"]), servers, data["tool_choice"] == "required")
