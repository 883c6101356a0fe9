"""Banners are seen by whom they concern, while they are on, until they are hidden."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Banner, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def shown(client: Client, text: str = "Down at noon") -> bool:
    return text in client.get("/").text


@pytest.mark.parametrize(
    ("starts", "ends", "on"),
    [(None, None, True), (-1, 1, True), (1, None, False), (None, -1, False)],
)
def test_a_banner_is_on_from_its_start_to_its_end(
    client: Client, starts: int | None, ends: int | None, on: bool
) -> None:
    now = timezone.now()
    at = [None if days is None else now + timedelta(days=days) for days in (starts, ends)]
    Banner.objects.create(text="Down at noon", starts_at=at[0], ends_at=at[1])
    assert shown(client) is on


def test_a_banner_is_seen_by_whom_it_concerns(client: Client, ada: User) -> None:
    for audience in ("everyone", "signed-in", "staff"):
        Banner.objects.create(text=f"For {audience}!", audience=audience)
    assert [shown(client, f"For {name}!") for name in ("everyone", "signed-in", "staff")] == [
        True,
        False,
        False,
    ]
    client.force_login(ada)
    assert [shown(client, f"For {name}!") for name in ("everyone", "signed-in", "staff")] == [
        True,
        True,
        False,
    ]
    client.force_login(User.objects.create_user("root", is_staff=True))
    assert [shown(client, f"For {name}!") for name in ("everyone", "signed-in", "staff")] == [
        True,
        True,
        True,
    ]


def test_who_hides_a_banner_sees_it_no_more_and_others_do(client: Client) -> None:
    banner = Banner.objects.create(text="Down at noon")
    assert client.post(reverse("hide-banner", args=[banner.pk])).url == "/"
    assert not shown(client)
    assert shown(Client())


def test_a_banner_that_must_be_seen_cannot_be_hidden(client: Client) -> None:
    banner = Banner.objects.create(text="Down at noon", dismissible=False)
    assert "Hide" not in client.get("/").text.partition("site-banner")[2].partition("</aside>")[0]
    assert client.post(reverse("hide-banner", args=[banner.pk])).status_code == 404
    assert shown(client)


def test_somebody_else_s_banner_cannot_be_hidden_or_guessed(client: Client) -> None:
    banner = Banner.objects.create(text="Secret", audience="staff")
    for pk in (banner.pk, 99_999, 2**63 - 1):
        assert client.post(reverse("hide-banner", args=[pk])).status_code == 404
    assert client.get(reverse("hide-banner", args=[banner.pk])).status_code == 405


def test_a_banner_s_words_are_words(client: Client) -> None:
    Banner.objects.create(text="<script>alert(1)</script> https://status.example/x?a=1&b=2")
    page = client.get("/").text
    assert "<script>alert" not in page
    assert '<a href="https://status.example/x?a=1&amp;b=2" rel="nofollow">' in page


def test_a_banner_that_would_end_first_is_refused() -> None:
    now = timezone.now()
    with pytest.raises(ValidationError, match="before it starts"):
        Banner(text="x", starts_at=now, ends_at=now).clean()
