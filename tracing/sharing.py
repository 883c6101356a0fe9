"""Links to kept traces: made, found and revoked."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.links import LinkQuerySet
from accounts.owners import Owner
from tracing.models import KeptTrace, Share


def share_trace(*, trace: KeptTrace, expires_in: timedelta | None = None) -> Share:
    """The living link of a trace, made if there is none; it expires `expires_in` from now, or never."""
    expires_at = timezone.now() + expires_in if expires_in is not None else None
    with transaction.atomic():
        KeptTrace.objects.select_for_update().get(pk=trace.pk)
        share = Share.objects.living().filter(trace=trace).first()
        if share is None:
            return Share.objects.create(trace=trace, expires_at=expires_at)
        share.expires_at = expires_at
        share.save(update_fields=["expires_at"])
        return share


def revoke_shares(*, trace: KeptTrace) -> int:
    """Every living link of the trace leads nowhere from now on; gives how many there were."""
    return Share.objects.living().filter(trace=trace).update(revoked_at=timezone.now())


def shares_of(owner: Owner) -> LinkQuerySet:
    """The owner's own links, newest first, those that ended too."""
    return Share.objects.filter(trace__in=KeptTrace.objects.of(owner)).select_related("trace")


def find_share(token: str) -> Share | None:
    """The living link with this token, with its trace."""
    return Share.objects.living().filter(token=token).select_related("trace").first()
