"""Where django-allauth asks us: who may have an account, and what comes with a person who signs in."""

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from accounts.entrance.provider_groups import take_groups
from accounts.models import User
from accounts.visitors.carrying import carry_over

logger = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """People with a name and a password; and the way in that everybody goes at the end."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return bool(settings.SIGN_UP)

    def login(self, request: HttpRequest, user: User) -> None:
        """Signing in makes a new session: what the browser's old one owns goes along, or nobody does."""
        visitor = "" if request.user.is_authenticated else request.session.session_key or ""
        with transaction.atomic():
            super().login(request, user)
            carry_over(session_key=visitor, user=user)

    def get_client_ip(self, request: HttpRequest) -> str:
        """The connection's own address: headers can say anything."""
        return str(request.META.get("REMOTE_ADDR") or "unknown")

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account")

    def add_message(self, *args: Any, **options: Any) -> None:
        """Our pages say for themselves what happened."""


class ProviderAdapter(DefaultSocialAccountAdapter):
    """People whom the OpenID Connect provider knows. Their account is found by the provider's own id for
    them, never by a name or an address that they could choose there."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """The provider decides who may come."""
        return True

    def on_authentication_error(self, request: HttpRequest, provider: Any, **what: Any) -> None:
        """For the operator: people are told no more than that it did not work."""
        logger.warning("Signing in by %s failed: %s %s", provider, what.get("error"), what.get("exception"))

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        if sociallogin.is_existing:
            take_groups(sociallogin)

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        user: User = super().save_user(request, sociallogin, form)
        take_groups(sociallogin)
        return user
