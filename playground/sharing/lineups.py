"""Links to comparisons: each is a link to every one of its conversations, and to what sets them apart."""

import hashlib
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.owners import Owner
from playground.beside.lineups import threads_of
from playground.beside.models import Verdict
from playground.models import Lineup, SharedLineup, SharedSide, SharedThread
from playground.sharing.models import SharedThreadQuerySet
from playground.sharing.services import add_shared, revoke_shared, shareable_turns
from tracing.core.errors import InputError


def share_lineup(*, owner: Owner, lineup: Lineup, expires_in: timedelta | None = None) -> SharedLineup:
    """The living link to a comparison as it is now; made where there is none, or it has changed since.

    It expires `expires_in` from now, or never. Raises InputError for what cannot be shared.
    """
    if lineup.is_veiled:
        raise InputError("A link shows which model is which: vote first, then share.")
    expires_at = timezone.now() + expires_in if expires_in is not None else None
    with transaction.atomic():
        sides = [(thread, *shareable_turns(owner, thread)) for thread in threads_of(lineup)]
        words = verdict_of(lineup)
        digest = hashlib.sha256("".join([*(each for _, _, each in sides), words]).encode()).hexdigest()
        before = shared_lineups_of(owner).living().filter(lineup=lineup, digest=digest).first()
        if before is not None:
            return expiring(before, expires_at)
        shared = SharedLineup.objects.create(
            owner=owner.user, session_key=owner.session_key, lineup=lineup, title=lineup.title,
            digest=digest, verdict=words, expires_at=expires_at,
        )  # fmt: skip
        for place, (thread, turns, own) in enumerate(sides):
            side = add_shared(owner, thread, turns, digest=own, expires_at=expires_at)
            SharedSide.objects.create(lineup=shared, place=place, shared=side)
        return shared


def expiring(shared: SharedLineup, expires_at: datetime | None) -> SharedLineup:
    """The same link, with another end."""
    shared.expires_at = expires_at
    shared.save(update_fields=["expires_at"])
    SharedThread.objects.filter(side__lineup=shared).update(expires_at=expires_at)
    return shared


def verdict_of(lineup: Lineup) -> str:
    """What a blind vote found, as strangers read it; empty where there was none."""
    vote = getattr(lineup, "vote", None)
    if vote is None:
        return ""
    found = {Verdict.TIE: "found them equally good", Verdict.BAD: "found none of them good"}
    return f"Without knowing which was which, they {found.get(vote.verdict, f'preferred {vote.preferred}')}."


@transaction.atomic
def revoke_lineup(*, shared: SharedLineup) -> None:
    """The link leads nowhere from now on, and what it showed is deleted."""
    SharedLineup.objects.filter(pk=shared.pk, revoked_at=None).update(revoked_at=timezone.now())
    for side in shared.sides.select_related("shared"):
        revoke_shared(shared=side.shared)


def shared_lineups_of(owner: Owner) -> SharedThreadQuerySet:
    """The owner's own links to comparisons, newest first, those that ended too."""
    return SharedLineup.objects.of(owner)


def find_shared_lineup(token: str) -> SharedLineup | None:
    """The living link with this token."""
    return SharedLineup.objects.living().filter(token=token).first()
