"""The page of one's keys."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.audit import Actor
from accounts.keys.forms import KeyForm
from accounts.keys.services import make_own_key, own_keys
from accounts.services import KeyRefused, revoke_key


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """The keys that there are, and a form for another. A new key's text is in this one answer and nowhere
    else, so it is no redirect: a reload asks before it makes a second key."""
    if request.method != "POST":
        return show(request, KeyForm(user=request.user))
    form = KeyForm(request.POST, user=request.user)
    if not form.is_valid():
        return show(request, form, error=form.first_error(), status=422)
    fields = form.cleaned_data
    try:
        key, secret = make_own_key(
            user=request.user,
            by=Actor.of_request(request),
            name=fields["name"],
            scopes=fields["scopes"],
            expires_at=form.expires_at(),
            tokens_a_day=fields["tokens_a_day"],
        )
    except KeyRefused as error:
        return show(request, form, error=str(error), status=422)
    return show(request, KeyForm(user=request.user), made=key, secret=secret)


def show(request: HttpRequest, form: KeyForm, *, status: int = 200, **more: object) -> HttpResponse:
    context = {"section": "account", "part": "keys", "form": form, "keys": own_keys(request.user)}
    context |= {"address": request.build_absolute_uri("/v1"), **more}
    return render(request, "accounts/keys/page.html", context, status=status)


@never_cache
@login_required
@require_POST
def revoke(request: HttpRequest, prefix: str) -> HttpResponse:
    """One's own key, for good."""
    key = get_object_or_404(own_keys(request.user), prefix=prefix)
    if not key.revoked:
        revoke_key(key=key, by=Actor.of_request(request))
    return redirect("keys")
