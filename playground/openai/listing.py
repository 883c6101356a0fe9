"""Lists as OpenAI's API pages through them: a limit, and the id of the last object of the page before."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.http import HttpRequest

from playground.openai.errors import ApiError

T = TypeVar("T")


def read_limit(request: HttpRequest, *, default: int, most: int) -> int:
    """The limit asked for; ApiError for anything but a whole number of 1 to `most`."""
    text = request.GET.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= most):
        raise ApiError(400, f"limit is a whole number from 1 to {most:,}.", param="limit")
    return int(text)


def check_query(request: HttpRequest, known: set[str]) -> None:
    """ApiError for a parameter in the address that would be ignored."""
    for name in request.GET:
        if name not in known:
            message = f"Unknown query parameter: {name!r:.60}."
            raise ApiError(400, message, code="unknown_parameter", param=name[:60])


def page_of(rows: Sequence[T], limit: int, shown: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """The list object of `rows`, of which there may be one more than the limit."""
    data = [shown(row) for row in rows[:limit]]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    return {
        "object": "list",
        "data": data,
        "first_id": None,
        "last_id": None,
        **ends,
        "has_more": len(rows) > limit,
    }
