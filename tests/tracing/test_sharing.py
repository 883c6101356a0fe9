"""Kept traces and the links to them: whose they are, how long they live, how many are kept."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.owners import Owner
from tracing import kept as keeping
from tracing.kept import find_kept, keep_trace
from tracing.models import KeptTrace, Share
from tracing.sharing import find_share, revoke_shares, share_trace, shares_of

pytestmark = pytest.mark.django_db
TRACE = {"id": "trace-0", "model": "demo", "text": "a\0b", "spans": [], "documents": []}


@pytest.fixture
def ada() -> Owner:
    return Owner(User.objects.create_user("ada"))


@pytest.fixture
def visitor() -> Owner:
    return Owner(None, "a-session")


def test_a_kept_trace_has_an_id_that_only_its_owner_finds(ada: Owner, visitor: Owner) -> None:
    for owner, other in (
        (ada, visitor),
        (visitor, ada),
        (visitor, Owner(None, "")),
        (visitor, Owner(None, "b")),
    ):
        kept = keep_trace(owner=owner, trace=TRACE)
        assert kept.content["id"] == kept.public_id
        assert find_kept(owner=owner, public_id=kept.public_id) == kept
        assert find_kept(owner=other, public_id=kept.public_id) is None
    for nonsense in ("", "trace-", "trace-" + "g" * 32, "trace-0' OR 1=1", "\0"):
        assert find_kept(owner=ada, public_id=nonsense) is None


def test_null_characters_are_kept_as_a_sign_of_the_same_length(ada: Owner) -> None:
    kept = keep_trace(owner=ada, trace=TRACE)
    assert (kept.text, kept.content["text"]) == ("a\ufffdb", "a\ufffdb")


def test_a_link_leads_to_its_trace_until_it_is_revoked(ada: Owner) -> None:
    kept = keep_trace(owner=ada, trace=TRACE)
    share = share_trace(trace=kept)
    assert len(share.token) >= 32
    assert find_share(share.token) == share
    assert revoke_shares(trace=kept) == 1
    assert find_share(share.token) is None
    assert revoke_shares(trace=kept) == 0
    assert share_trace(trace=kept).token != share.token


def test_sharing_again_gives_the_same_link_its_new_end(ada: Owner) -> None:
    kept = keep_trace(owner=ada, trace=TRACE)
    first = share_trace(trace=kept)
    again = share_trace(trace=kept, expires_in=timedelta(days=1))
    assert (again.pk, again.token) == (first.pk, first.token)
    assert again.expires_at


def test_an_expired_link_leads_nowhere(ada: Owner) -> None:
    share = share_trace(trace=keep_trace(owner=ada, trace=TRACE), expires_in=timedelta(days=1))
    Share.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert find_share(share.token) is None
    assert not Share.objects.get().is_living


@pytest.mark.parametrize("token", ["", "x", "' OR 1=1", "é" * 40])
def test_a_token_that_was_not_given_leads_nowhere(ada: Owner, token: str) -> None:
    share_trace(trace=keep_trace(owner=ada, trace=TRACE))
    assert find_share(token) is None


def test_people_see_their_own_links_only(ada: Owner, visitor: Owner) -> None:
    share = share_trace(trace=keep_trace(owner=ada, trace=TRACE))
    assert list(shares_of(ada)) == [share]
    assert not shares_of(visitor)
    assert not shares_of(Owner(None, ""))


def test_the_oldest_make_room_but_never_what_a_living_link_shares(
    ada: Owner, visitor: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "KEPT_MAX", 3)
    other = keep_trace(owner=visitor, trace=TRACE)
    shared = keep_trace(owner=ada, trace=TRACE)
    share_trace(trace=shared)
    kept = [keep_trace(owner=ada, trace=TRACE) for _ in range(4)]
    mine = set(KeptTrace.objects.of(ada))
    assert mine == {shared, *kept[2:]}
    assert KeptTrace.objects.of(visitor).get() == other
