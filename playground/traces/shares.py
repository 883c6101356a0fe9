"""Views by which people share their traces, see what they have shared, and take it back."""

from datetime import timedelta
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.owners import Owner
from playground.models import Message
from playground.sharing.lineups import shared_lineups_of
from playground.sharing.services import shared_threads_of
from playground.traces.requests import linked, linked_chat, linked_lineup, own_trace, own_traced, refused
from playground.traces.subjects import answered
from tracing.core.errors import InputError
from tracing.kept import keep_trace
from tracing.models import KeptKind, KeptTrace
from tracing.sharing import revoke_shares, share_trace, shares_of

DAYS = {"": "until I revoke it", "1": "for a day", "7": "for a week", "30": "for a month"}


class ShareForm(forms.Form):
    """For how long a link leads somewhere."""

    days = forms.ChoiceField(choices=list(DAYS.items()), required=False)

    def expires_in(self) -> timedelta | None:
        days = self.cleaned_data["days"]
        return timedelta(days=int(days)) if days else None


@require_POST
def share_answer(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A link to an answer's trace as it is now."""
    answer = own_traced(request, pk)
    try:
        kept = snapshot(Owner.of(request), answer)
    except InputError as error:
        return refused(request, error)
    return share(request, kept)


@require_POST
def share_text(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A link to a kept trace."""
    return share(request, own_trace(request, pk))


def snapshot(owner: Owner, answer: Message) -> KeptTrace:
    """The answer's trace, kept as it is now; the one kept before where nothing has changed since."""
    subject = answered(answer)
    if "spans" not in subject.trace:
        raise InputError("This answer has no trace to share yet: wait for its end.")
    before = KeptTrace.objects.of(owner).filter(origin=answer.pk, text=subject.text).first()
    return before or keep_trace(
        owner=owner,
        trace=subject.trace | {"model": subject.model},
        kind=KeptKind.ANSWER,
        text=subject.text,
        prompt=subject.prompt,
        origin=answer.pk,
    )


def share(request: HttpRequest, kept: KeptTrace) -> HttpResponse:
    form = ShareForm(request.POST)
    made = share_trace(trace=kept, expires_in=form.expires_in() if form.is_valid() else None)
    if request.htmx:
        return render(request, "playground/traces/_shared_link.html", {"share": linked(request, made)})
    return redirect("shares")


@require_GET
def shares(request: HttpRequest) -> HttpResponse:
    """One's own links, with a button each that revokes it."""
    owner = Owner.of(request)
    mine = [linked(request, share) for share in shares_of(owner)]
    chats = [linked_chat(request, shared) for shared in shared_threads_of(owner)]
    lineups = [linked_lineup(request, shared) for shared in shared_lineups_of(owner)]
    context = {"shares": mine, "chats": chats, "lineups": lineups, "section": "trace"}
    return render(request, "playground/traces/shares.html", context)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """The link leads nowhere from now on. Someone else's is a 404."""
    share = get_object_or_404(shares_of(Owner.of(request)), pk=pk)
    revoke_shares(trace=share.trace)
    if request.htmx:
        return render(request, "playground/traces/_share_revoked.html")
    return redirect("shares")
