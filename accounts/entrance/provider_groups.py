"""Groups that the OpenID Connect provider says a person is in."""

from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from accounts.audit import Actor, record_act

CLAIMED_MAX = 1000


def claimed_groups(sociallogin: SocialLogin) -> set[str] | None:
    """Names in the claim that HEADWATER_OIDC_GROUPS names; None where it names none."""
    if not settings.OIDC_GROUPS:
        return None
    data = sociallogin.account.extra_data or {}
    claims = {**(data.get("id_token") or {}), **(data.get("userinfo") or {})}
    names = claims.get(settings.OIDC_GROUPS, [])
    names = names if isinstance(names, list) else [names]
    return {name for name in names[:CLAIMED_MAX] if isinstance(name, str)}


def take_groups(sociallogin: SocialLogin) -> None:
    """Make a person's groups those of ours that the provider names, and log it where that changes them."""
    names = claimed_groups(sociallogin)
    if names is None:
        return
    user, groups = sociallogin.user, list(Group.objects.filter(name__in=names))
    before = set(user.groups.values_list("name", flat=True))
    after = {group.name for group in groups}
    if before == after:
        return
    with transaction.atomic():
        user.groups.set(groups)
        detail = {"groups": sorted(after), "before": sorted(before)}
        by = Actor(f"{sociallogin.account.provider} provider")
        record_act(
            by=by,
            action="set groups",
            object_type="account",
            object_id=user.pk,
            label=user.get_username(),
            detail=detail,
        )
