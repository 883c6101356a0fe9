"""The page of the terms of use."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.owners import Owner
from accounts.terms.models import Terms
from accounts.terms.rendering import rendered
from accounts.terms.services import accept_terms, terms_due


@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def terms(request: HttpRequest) -> HttpResponse:
    """The version in force, and a button for who has not accepted it yet."""
    current = Terms.objects.in_force()
    if current is None:
        raise Http404("This site has no terms of use.")
    if request.method == "POST":
        return accept(request, current)
    return show(request, current, next_address=request.GET.get("next", ""))


def accept(request: HttpRequest, current: Terms) -> HttpResponse:
    """Accept the version that was read: not one that was published meanwhile."""
    if request.POST.get("version") != str(current.version):
        return show(request, current, next_address=request.POST.get("next", ""), status=422)
    accept_terms(terms=current, owner=Owner.of(request))
    return HttpResponseRedirect(safe(request, request.POST.get("next", "")))


def safe(request: HttpRequest, address: str) -> str:
    """The address if it is one of ours, else the first page."""
    is_ours = url_has_allowed_host_and_scheme(address, {request.get_host()})
    return address if is_ours and address.startswith(("/", "http")) else reverse("home")


def show(request: HttpRequest, shown: Terms, *, next_address: str, status: int = 200) -> HttpResponse:
    context = {
        "terms": shown,
        "text": rendered(shown.text),
        "due": terms_due(request) == shown,
        "next": next_address,
        "outdated": status == 422,
        "versions": Terms.objects.filter(published_at__isnull=False, version__lt=shown.version),
    }
    return render(request, "accounts/terms/page.html", context, status=status)


@login_not_required
@require_safe
def version(request: HttpRequest, number: int) -> HttpResponse:
    """An earlier version, to read."""
    found = get_object_or_404(Terms, version=number)
    if not found.is_published:
        raise Http404("There is no such version.")
    return show(request, found, next_address="")
