"""The calls of an answer, where its article shows them."""

from typing import Any

from django import template

from playground.models import Message
from playground.tools.presentation import CallsView

register = template.Library()


@register.inclusion_tag("playground/tools/_calls.html", takes_context=True)
def calls_of(context: dict[str, Any], message: Message) -> dict[str, Any]:
    """Nothing where nothing was offered: most answers cost no query."""
    view = CallsView.of(message) if message.parameters.get("tools") else None
    return {"view": view, "message": message, "csrf_token": context.get("csrf_token")}
