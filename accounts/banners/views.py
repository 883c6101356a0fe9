"""Hiding a banner."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from accounts.banners.context import HIDDEN
from accounts.banners.models import Banner

REMEMBERED_MAX = 100


@login_not_required
@require_POST
def hide(request: HttpRequest, pk: int) -> HttpResponse:
    """Hide it from this browser until its session ends."""
    banner = get_object_or_404(Banner.objects.shown_to(request.user), pk=pk, dismissible=True)
    hidden = [other for other in request.session.get(HIDDEN, []) if other != banner.pk]
    request.session[HIDDEN] = [*hidden, banner.pk][-REMEMBERED_MAX:]
    return HttpResponse() if request.htmx else redirect("home")
