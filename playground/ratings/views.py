"""Views by which people rate answers and say whether their chats may be learned from."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import Actor
from playground.models import Message
from playground.ratings.models import Opinion
from playground.ratings.services import (
    COMMENT_CHARACTERS_MAX,
    CONSENT_WORDING,
    give_consent,
    living_consent,
    rate,
    unrate,
    withdraw_consent,
)
from playground.traces.requests import own_traced
from tracing.core.errors import TracingError

NONE = "none"


class RatingForm(forms.Form):
    """An opinion, or that it is taken back; with a comment and consent where their fields were shown."""

    opinion = forms.ChoiceField(choices=[*Opinion.choices, (NONE, "take it back")])
    comment = forms.CharField(required=False, strip=True)
    details = forms.BooleanField(required=False)
    consent = forms.BooleanField(required=False)


@never_cache
@require_GET
def rating(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What one thinks of an answer, with the fields to say more: a fragment, or a page of its own."""
    return rating_box(request, own_traced(request, pk))


@require_POST
def rate_answer(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Rate an answer of one's own chats; a comment and consent come with it."""
    answer, form = own_traced(request, pk), RatingForm(request.POST)
    if not form.is_valid():
        return rating_box(request, answer, error="Choose Good, Not good or Flag.", status=422)
    try:
        save_rating(request, answer, form.cleaned_data)
    except TracingError as error:
        return rating_box(request, answer, error=str(error), status=422)
    if not request.htmx:
        return redirect("rating", pk=answer.pk)
    answer = own_traced(request, pk)  # as it is rated now
    return rating_box(request, answer, saved=form.cleaned_data["details"])


def save_rating(request: HttpRequest, answer: Message, given: dict[str, Any]) -> None:
    if given["opinion"] == NONE:
        unrate(message=answer, by=owner_of(request))
        return
    comment = given["comment"] if given["details"] else None
    rate(message=answer, opinion=Opinion(given["opinion"]), comment=comment)
    if given["details"] and given["consent"]:
        give_consent(thread=answer.thread)
    elif given["details"] and living_consent(answer.thread):
        withdraw_consent(thread=answer.thread, by=owner_of(request))


def owner_of(request: HttpRequest) -> Actor:
    """Who takes a consent back, as the audit log names them: an anonymous browser has no name."""
    name = request.user.get_username() if request.user.is_authenticated else "an anonymous visitor"
    user = request.user if request.user.is_authenticated else None
    return Actor(name, user, address=request.META.get("REMOTE_ADDR", ""))


def rating_box(
    request: HttpRequest, answer: Message, *, error: str = "", saved: bool = False, status: int = 200
) -> HttpResponse:
    context = {"message": answer, "open": not saved, "saved": saved, "error": error, "section": "chat"}
    context |= {"consent": living_consent(answer.thread), "wording": CONSENT_WORDING}
    context |= {"comment_max": COMMENT_CHARACTERS_MAX, "in_page": not request.htmx}
    template = "_rating.html" if request.htmx else "page.html"
    return render(request, f"playground/ratings/{template}", context, status=status)
