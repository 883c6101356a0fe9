"""The page of one's own account."""

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@never_cache
@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """Who one is here, how one signs in, and which groups one is in."""
    context = {
        "section": "account",
        "groups": request.user.groups.order_by("name"),
        "by_provider": SocialAccount.objects.filter(user=request.user).exists(),
    }
    return render(request, "accounts/people/account.html", context)
