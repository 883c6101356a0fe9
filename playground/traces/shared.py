"""Views of a shared trace: anyone with the link reads it, as it was when it was shared."""

from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from playground.database import while_wanted
from playground.traces.lighting import Lighting
from playground.traces.pages import write_panel
from playground.traces.subjects import Subject, shared_subject
from tracing.sharing import find_share


def unlisted(view: Any) -> Any:
    """For a page behind a secret address: no search engine lists it, no other site learns its address."""

    @wraps(view)
    async def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = await view(request, *args, **kwargs)
        response["X-Robots-Tag"] = "noindex, nofollow"
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        return response

    return login_not_required(wrapped)


def subject_behind(token: str) -> Subject:
    share = find_share(token)
    if share is None:
        raise Http404("This link leads nowhere: it was revoked, has expired, or was not copied whole.")
    return shared_subject(share)


@unlisted
@require_GET
async def shared_trace(request: HttpRequest, token: str) -> HttpResponse:
    """The shared text with what is lit in it, its model, date and numbers."""
    return await while_wanted(write_shared, request, token)


def write_shared(request: HttpRequest, token: str) -> HttpResponse:
    context = {"subject": subject_behind(token), "lighting": Lighting(), "section": "shared"}
    return render(request, "playground/traces/shared.html", context)


@unlisted
@require_GET
async def shared_spans(request: HttpRequest, token: str, start: int, end: int) -> HttpResponse:
    """The panel of some lit words of a shared trace; what is withheld now is not in it."""

    def load() -> Subject:
        return subject_behind(token)

    return await while_wanted(write_panel, request, load, start, end)
