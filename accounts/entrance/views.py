"""Pages of signing in: django-allauth's, in our own clothes and at our own addresses."""

import logging
from typing import Any

import redis
import requests
from allauth.account.views import LoginView, PasswordChangeView, SignupView
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.entrance.forms import SignInForm, SignUpForm

logger = logging.getLogger(__name__)


class NeedsRedis:
    """Attempts are counted in Redis. Without it nobody could be kept from trying passwords, so nobody may."""

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        try:
            return super().dispatch(request, *args, **options)  # type: ignore[misc]
        except redis.RedisError as error:
            logger.error("Nobody can sign in, because Redis does not answer: %s", type(error).__name__)
            return refused(request, "Redis does not answer, so nobody can sign in now. Try again later.", 503)


class SignInView(NeedsRedis, LoginView):
    template_name = "accounts/entrance/sign_in.html"
    form_class = SignInForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        context = super().get_context_data(**context)
        next_address = self.request.POST.get("next") or self.request.GET.get("next", "")
        return context | {
            "next": next_address,
            "provider": settings.OIDC_NAME if settings.OIDC_URL else "",
            "sign_up": settings.SIGN_UP,
        }


class SignUpView(NeedsRedis, SignupView):
    template_name = "accounts/entrance/sign_up.html"
    form_class = SignUpForm


class ChangePasswordView(NeedsRedis, PasswordChangeView):
    template_name = "accounts/entrance/change_password.html"

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        if request.user.is_authenticated and not request.user.has_usable_password():
            return refused(request, f"{request.user} signs in elsewhere: no password is kept here.", 409)
        return super().dispatch(request, *args, **options)


@login_not_required
@require_safe
def provider_sign_in(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Off to the provider. By a link, since our policy lets no form end on another site; and never to connect
    an account to one there, which a link on somebody else's page could make a person do."""
    if request.GET.get("process", "login") != "login":
        raise Http404
    try:
        return openid_connect.login(request, provider_id)
    except (requests.RequestException, ValueError, KeyError) as error:
        logger.error("The OpenID Connect provider cannot be used: %s", error)
        words = f"{settings.OIDC_NAME} does not answer. Try again later, or sign in with a password."
        return refused(request, words, 503)


@login_not_required
def provider_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Back from the provider."""
    try:
        return openid_connect.callback(request, provider_id)
    except (ValueError, KeyError) as error:
        logger.error("The OpenID Connect provider's answer cannot be used: %s", error)
        return refused(request, f"{settings.OIDC_NAME} sent an answer that cannot be used. Try again.", 502)


def refused(request: HttpRequest, words: str, status: int) -> HttpResponse:
    """A page that says why somebody cannot sign in now."""
    return render(request, "accounts/entrance/refused.html", {"words": words}, status=status)


@login_not_required
@require_safe
def provider_cancelled(request: HttpRequest) -> HttpResponse:
    return refused(request, "You went back without signing in. Nothing was changed.", 200)


@login_not_required
@require_safe
def closed(request: HttpRequest) -> HttpResponse:
    return refused(request, "This account is closed. Ask an administrator to open it again.", 403)
