"""Limits hold for whom they name, under any number of requests at once, and say when to come again."""

import asyncio
import time
from collections.abc import Iterator

import pytest
import redis
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.limits import storage
from accounts.limits.admission import in_words
from accounts.limits.models import Audience, Limit, Period, Resource
from accounts.limits.rules import Rule, forget_rules, rules_for
from accounts.limits.services import (
    LimitsUnavailable,
    OverLimit,
    Spender,
    admit,
    admit_now,
    record_usage,
    release,
)
from accounts.limits.spender import address_of
from accounts.limits.standing import Standing
from accounts.limits.storage import counters, standing_of
from accounts.models import Scope, User
from accounts.services import create_key

pytestmark = pytest.mark.django_db
AT_ONCE = 200


@pytest.fixture(autouse=True)
def fresh_counters(redis_server: redis.Redis) -> Iterator[None]:
    """No limits but the test's own, and nothing counted before it; nor after it, for the tests to come."""
    Limit.objects.all().delete()
    forget_rules()
    counters().reset()
    yield
    forget_rules()
    counters().reset()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="a long password")


def limit(
    audience: Audience, resource: Resource, amount: int, period: Period = Period.DAY, **whose: object
) -> Limit:
    made = Limit(audience=audience, resource=resource, amount=amount, period=period, **whose)
    made.full_clean()
    made.save()
    forget_rules()
    return made


def spender_of(user: User) -> Spender:
    return Spender(user_id=user.pk)


def used(spender: Spender, resource: Resource) -> int:
    [rule] = [rule for rule in rules_for(spender) if rule.resource == resource]
    return standing_of(rule).used


def admitted_of(spender: Spender, times: int, kind: str = "api", **options: int) -> int:
    """How many of so many requests at once are let in."""
    rules_for(spender)  # read here: the event loop's helper thread does not see the test's transaction

    async def ask() -> bool:
        try:
            await admit(spender, kind, **options)
        except OverLimit:
            return False
        return True

    async def all_at_once() -> int:
        return sum(await asyncio.gather(*[ask() for _ in range(times)]))

    return asyncio.run(all_at_once())


def test_of_many_requests_at_once_exactly_as_many_as_allowed_are_let_in(ada: User) -> None:
    limit(Audience.PERSON, Resource.REQUESTS, 57, user=ada)
    assert admitted_of(spender_of(ada), AT_ONCE) == 57
    assert used(spender_of(ada), Resource.REQUESTS) == 57


def test_a_request_that_one_limit_refuses_is_counted_in_no_other(ada: User) -> None:
    limit(Audience.PERSON, Resource.REQUESTS, 150, Period.MINUTE, user=ada)
    limit(Audience.SITE, Resource.REQUESTS, 40)
    assert admitted_of(spender_of(ada), AT_ONCE) == 40
    assert [standing_of(rule).used for rule in rules_for(spender_of(ada))] == [40, 40]


def test_tokens_in_flight_never_exceed_what_is_left(ada: User) -> None:
    limit(Audience.PERSON, Resource.TOKENS, 1000, user=ada)
    assert admitted_of(spender_of(ada), AT_ONCE, "chat", tokens=300) == 4  # 300, 300, 300 and what is left
    assert used(spender_of(ada), Resource.TOKENS) == 1000


def test_those_that_say_what_they_take_are_let_in_only_while_so_much_is_left(ada: User) -> None:
    limit(Audience.PERSON, Resource.TOKENS, 1000, user=ada)
    assert admitted_of(spender_of(ada), AT_ONCE, "chat", tokens=300, least_tokens=300) == 3
    assert used(spender_of(ada), Resource.TOKENS) == 900
    with pytest.raises(OverLimit, match=r"100 of them are left\. This request may take 300: ask for fewer"):
        asyncio.run(admit(spender_of(ada), "chat", tokens=300, least_tokens=300))


def test_what_an_answer_took_replaces_what_was_held_back_for_it(ada: User) -> None:
    limit(Audience.PERSON, Resource.TOKENS, 1000, user=ada)
    limit(Audience.PERSON, Resource.ENGINE, 60, user=ada)
    admit_now(spender_of(ada), "chat", tokens=900)
    assert used(spender_of(ada), Resource.ENGINE) == 10
    record_usage(spender_of(ada), model="m", prompt_tokens=20, completion_tokens=30, engine_s=2.5)
    assert used(spender_of(ada), Resource.TOKENS) == 50
    assert used(spender_of(ada), Resource.ENGINE) == 3  # 2.5, rounded up for people


def test_an_answer_that_took_more_than_was_held_back_is_counted_whole(ada: User) -> None:
    limit(Audience.PERSON, Resource.TOKENS, 100, user=ada)
    admit_now(spender_of(ada), "chat", tokens=10)
    record_usage(spender_of(ada), model="m", prompt_tokens=100, completion_tokens=400)
    assert used(spender_of(ada), Resource.TOKENS) == 500
    with pytest.raises(OverLimit, match="100 tokens in any day, and 0 of them are left"):
        admit_now(spender_of(ada), "chat", tokens=1)


def test_what_was_held_back_for_an_answer_that_never_began_is_given_back(ada: User) -> None:
    limit(Audience.PERSON, Resource.TOKENS, 1000, user=ada)
    admission = admit_now(spender_of(ada), "chat", tokens=700)
    assert admission.is_reserved
    release(admission.spender, "chat")
    assert used(spender_of(ada), Resource.TOKENS) == 0


def test_a_refusal_says_what_whose_and_when(ada: User) -> None:
    key, _ = create_key(user=ada, name="notebook", scopes=[Scope.CHAT])
    limit(Audience.KEY, Resource.REQUESTS, 1, Period.MINUTE, key=key)
    spender = Spender(user_id=ada.pk, key_prefix=key.prefix)
    admit_now(spender, "api")
    with pytest.raises(OverLimit) as refused:
        admit_now(spender, "api")
    assert 1 <= refused.value.retry_after_s <= 120
    assert str(refused.value).startswith("This API key has 1 request in any minute, and 0 of them are left.")
    assert "Try again in" in str(refused.value)


def test_whoever_waits_as_long_as_was_said_is_let_in(ada: User) -> None:
    """The wait is right by the window's own arithmetic, whatever was counted when."""
    rule = Rule(Resource.REQUESTS, Period.MINUTE, 10, Audience.PERSON, "c", "You have")
    full = Standing(rule, previous=8, previous_ttl_ms=30_000, current=6, current_ttl_ms=90_000)
    assert full.left == 0
    later = Standing(
        rule, 8, 30_000 - round(full.free_in_s(1) * 1000), 6, 90_000 - round(full.free_in_s(1) * 1000)
    )
    assert later.left >= 1


@given(
    st.integers(0, 300),
    st.integers(0, 60_000),
    st.integers(0, 300),
    st.integers(60_000, 120_000),
    st.integers(1, 50),
)
def test_the_wait_that_is_told_is_never_too_short(
    previous: int, ttl: int, current: int, current_ttl: int, need: int
) -> None:
    rule = Rule(Resource.REQUESTS, Period.MINUTE, 50, Audience.PERSON, "c", "You have")
    wait_ms = round(Standing(rule, previous, ttl, current, current_ttl).free_in_s(need) * 1000) + 1
    assert after(rule, previous, ttl, current, current_ttl, wait_ms).left_units >= need


def after(rule: Rule, previous: int, ttl: int, current: int, current_ttl: int, wait_ms: int) -> Standing:
    """The windows so much later, as the scripts turn them over."""
    current_ttl -= wait_ms
    if current_ttl < 60_000:
        previous, ttl, current, current_ttl = current, current_ttl, 0, current_ttl + 60_000
        return Standing(rule, previous, max(0, ttl), current, current_ttl)
    return Standing(rule, previous, max(0, ttl - wait_ms), current, current_ttl)


def test_a_person_s_own_limit_takes_the_place_of_their_group_s_and_everyone_s(ada: User) -> None:
    group = Group.objects.create(name="readers")
    grace = User.objects.create_user("grace")
    alan = User.objects.create_user("alan")
    group.user_set.add(ada, grace)
    limit(Audience.EVERYONE, Resource.REQUESTS, 2)
    limit(Audience.MEMBER, Resource.REQUESTS, 4, group=group)
    limit(Audience.PERSON, Resource.REQUESTS, 6, user=ada)
    assert [admitted_of(spender_of(user), 10) for user in (alan, grace, ada)] == [2, 4, 6]


def test_the_members_of_a_group_share_its_limit(ada: User) -> None:
    group = Group.objects.create(name="class of 1843")
    grace = User.objects.create_user("grace")
    group.user_set.add(ada, grace)
    limit(Audience.GROUP, Resource.REQUESTS, 5, group=group)
    assert admitted_of(spender_of(ada), 3) == 3
    assert admitted_of(spender_of(grace), 3) == 2
    with pytest.raises(OverLimit, match="The group class of 1843 has 5 requests"):
        admit_now(spender_of(grace), "api")


def test_visitors_are_counted_by_address_whatever_cookies_they_bring() -> None:
    limit(Audience.VISITOR, Resource.REQUESTS, 3)
    browsers = [Spender(session_key=f"session-{number}", address="192.0.2.7") for number in range(4)]
    for browser in browsers[:3]:
        admit_now(browser, "chat")
    with pytest.raises(OverLimit, match="Without signing in you have 3"):
        admit_now(browsers[3], "chat")
    admit_now(Spender(address="192.0.2.8"), "chat")


def test_what_a_visitor_s_answer_took_is_counted_at_the_address_behind_the_session() -> None:
    limit(Audience.VISITOR, Resource.TOKENS, 500)
    admit_now(Spender(session_key="theirs", address="192.0.2.7"), "chat", tokens=400)
    record_usage(Spender(session_key="theirs"), model="m", prompt_tokens=5, completion_tokens=5)
    assert used(Spender(address="192.0.2.7"), Resource.TOKENS) == 10


def test_signing_in_leaves_the_visitor_s_limits_behind(ada: User) -> None:
    limit(Audience.VISITOR, Resource.REQUESTS, 0)
    admit_now(spender_of(ada), "chat")
    with pytest.raises(OverLimit, match=r"no requests to use\. Ask an administrator"):
        admit_now(Spender(address="192.0.2.7"), "chat")


def test_jobs_have_limits_of_their_own(ada: User) -> None:
    limit(Audience.EVERYONE, Resource.JOBS, 1)
    admit_now(spender_of(ada), "api")
    admit_now(spender_of(ada), "job")
    with pytest.raises(OverLimit, match="1 job in any day"):
        admit_now(spender_of(ada), "job")


def test_without_limits_nothing_is_counted_and_redis_is_not_asked(ada: User, settings) -> None:
    assert admit_now(spender_of(ada), "chat").standings == ()
    assert not counters().get_connection().keys("headwater:limits:*")


def test_limits_that_cannot_be_checked_let_nobody_through(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(Audience.EVERYONE, Resource.REQUESTS, 10)
    gone = redis.Redis(unix_socket_path="/nowhere/redis.sock")
    monkeypatch.setattr(counters().take, "registered_client", gone)
    with pytest.raises(LimitsUnavailable, match="Redis does not answer"):
        admit_now(spender_of(ada), "api")


def test_a_raised_limit_keeps_what_was_counted(ada: User) -> None:
    made = limit(Audience.PERSON, Resource.REQUESTS, 2, user=ada)
    assert admitted_of(spender_of(ada), 5) == 2
    made.amount = 3
    made.save()
    forget_rules()
    assert admitted_of(spender_of(ada), 5) == 1


def test_huge_limits_count_exactly(ada: User) -> None:
    limit(Audience.PERSON, Resource.ENGINE, 10**12, user=ada)
    admit_now(spender_of(ada), "chat")
    record_usage(spender_of(ada), model="m", engine_s=1.25)
    assert used(spender_of(ada), Resource.ENGINE) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"audience": "person"}, "Choose one"),
        ({"audience": "everyone", "user": "ada"}, "Leave it empty"),
        ({"audience": "nobody"}, "not a valid choice"),
        ({"audience": "site", "amount": 10**13}, "less than or equal"),
        ({"audience": "site", "amount": -1}, "greater than or equal"),
    ],
)
def test_a_limit_that_names_nobody_or_too_many_is_refused(ada: User, fields: dict, message: str) -> None:
    fields = {"resource": "requests", "period": "day", "amount": 5, **fields}
    if "user" in fields:
        fields["user"] = ada
    with pytest.raises(ValidationError, match=message):
        Limit(**fields).full_clean()


def test_there_are_no_two_limits_for_the_same(ada: User) -> None:
    limit(Audience.PERSON, Resource.TOKENS, 5, user=ada)
    with pytest.raises(ValidationError, match="There is such a limit already"):
        limit(Audience.PERSON, Resource.TOKENS, 6, user=ada)


@pytest.mark.parametrize(
    ("sent", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", "unknown"),
        ("x" * 900, "x" * 45),
    ],
)
def test_addresses_are_counted_by_network_and_never_by_a_header(sent: str, counted: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=sent, headers={"X-Forwarded-For": "203.0.113.9"})
    assert address_of(request) == counted


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (59, "59 seconds"), (61, "2 minutes"), (3601, "2 hours"), (200_000, "3 days")],
)
def test_waits_are_told_in_words(seconds: int, words: str) -> None:
    assert in_words(seconds) == words


def test_a_job_begins_while_gpu_seconds_are_left_and_holds_none_back(ada: User) -> None:
    limit(Audience.PERSON, Resource.ENGINE, 100, user=ada)
    admit_now(spender_of(ada), "job")
    assert used(spender_of(ada), Resource.ENGINE) == 0
    admit_now(spender_of(ada), "chat")
    record_usage(spender_of(ada), model="my-tune", engine_s=250.0, kind="job")
    assert used(spender_of(ada), Resource.ENGINE) == 260  # what the answer holds back is not touched
    with pytest.raises(OverLimit, match="100 GPU-seconds in any day"):
        admit_now(spender_of(ada), "job")


def test_what_a_dead_process_held_back_is_given_back_after_a_while(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(Audience.PERSON, Resource.TOKENS, 1000, user=ada)
    admit_now(spender_of(ada), "chat", tokens=900)  # and nobody ever settles it
    admit_now(spender_of(ada), "chat", tokens=200)
    with pytest.raises(OverLimit):
        admit_now(spender_of(ada), "chat", tokens=200)
    monkeypatch.setattr(storage, "STALE_MS", 1)
    time.sleep(0.01)
    admit_now(spender_of(ada), "chat", tokens=250)
    assert used(spender_of(ada), Resource.TOKENS) == 250


def test_what_is_held_back_in_a_window_s_first_moment_is_given_back_too() -> None:
    """Redis' clocks differ by a millisecond now and then: of 200 windows, all are as if nothing had been."""
    left_over = 0
    for number in range(200):
        rule = Rule(Resource.TOKENS, Period.MINUTE, 5000, Audience.PERSON, f"first/{number}", "You have")
        spender = Spender(user_id=number)
        counters().take(*storage.take_call(spender, [rule], {Resource.TOKENS: 1000}))
        counters().settle(*storage.settle_call(spender, [rule], {}, pop=True))
        left_over += standing_of(rule).used
    assert left_over == 0


def test_an_address_without_an_account_has_the_usual_limits_until_the_admin_says_otherwise(
    settings: Settings,
) -> None:
    settings.VISITOR_REQUESTS, settings.VISITOR_TOKENS = 3, 5000
    forget_rules()
    visitor, ada = Spender(address="192.0.2.9"), Spender(user_id=User.objects.create_user("eve").pk)
    assert {(rule.resource, rule.amount) for rule in rules_for(visitor)} == {
        ("requests", 3),
        ("tokens", 5000),
    }
    assert rules_for(ada) == ()
    for _ in range(3):
        admit_now(visitor, "trace")
    with pytest.raises(OverLimit, match="Without signing in you have 3 requests in any minute"):
        admit_now(visitor, "trace")
    limit(Audience.VISITOR, Resource.REQUESTS, 2, Period.MINUTE)
    assert {rule.amount for rule in rules_for(visitor)} == {2, 5000}
    settings.VISITOR_REQUESTS = settings.VISITOR_TOKENS = 0
    Limit.objects.all().delete()
    forget_rules()
    assert rules_for(visitor) == ()
