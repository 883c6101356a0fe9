"""Usage is added up by day, priced as it happens, and shown by person, group, model and key."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import redis
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.limits.models import Limit
from accounts.limits.rules import forget_rules
from accounts.limits.services import Spender, record_usage
from accounts.limits.storage import counters
from accounts.models import AuditEntry, Price, Scope, Usage, User
from accounts.services import create_key
from accounts.usage.services import cost_of
from accounts.usage.sums import BY, by_day, total_of, usage_since

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def without_limits(redis_server: redis.Redis) -> Iterator[None]:
    Limit.objects.all().delete()
    forget_rules()
    yield
    counters().reset()
    forget_rules()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="a long password")


def use(user: User | None, model: str = "think", *, tokens: int = 10, key_prefix: str = "") -> None:
    spender = Spender(user_id=user.pk if user else None, key_prefix=key_prefix)
    record_usage(spender, model=model, prompt_tokens=tokens, completion_tokens=2 * tokens, engine_s=0.5)


def tokens_by(by: str) -> dict[str, int]:
    return {line.label: line.tokens for line in BY[by](usage_since(30))}


def test_a_day_s_use_is_one_row_for_each_account_key_and_model(ada: User) -> None:
    for _ in range(3):
        use(ada)
    row = Usage.objects.get()
    assert (row.requests, row.prompt_tokens, row.completion_tokens, row.engine_ms) == (3, 30, 60, 1500)
    use(ada, "instruct")
    use(None)
    assert Usage.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_use_at_the_same_time_is_all_counted(ada: User) -> None:
    def work() -> None:
        for _ in range(5):
            use(ada)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Usage.objects.get().requests == 40


def test_use_is_shown_by_person_group_model_and_key(ada: User) -> None:
    grace = User.objects.create_user("grace")
    readers, writers = Group.objects.create(name="readers"), Group.objects.create(name="writers")
    readers.user_set.add(ada, grace)
    writers.user_set.add(ada)
    alan = User.objects.create_user("alan")
    key, _ = create_key(user=ada, name="notebook", scopes=[Scope.CHAT])
    use(ada, tokens=1, key_prefix=key.prefix)
    use(grace, "instruct", tokens=10)
    use(alan, tokens=100)
    use(None, tokens=1000)
    assert tokens_by("person") == {"ada": 3, "grace": 30, "alan": 300, "visitors without an account": 3000}
    assert tokens_by("group") == {
        "readers": 33,
        "writers": 3,
        "people in no group": 300,
        "visitors without an account": 3000,
    }
    assert tokens_by("model") == {"think": 3303, "instruct": 30}
    assert tokens_by("key") == {"notebook": 3, "in a browser": 3330}
    assert total_of(usage_since(30)).tokens == 3333


def test_sums_stay_when_the_person_and_the_key_go(ada: User) -> None:
    key, _ = create_key(user=ada, name="notebook", scopes=[Scope.CHAT])
    use(ada, key_prefix=key.prefix)
    number = ada.pk
    ada.delete()
    assert tokens_by("person") == {f"account {number}, deleted": 30}
    assert tokens_by("key") == {key.prefix: 30}


def test_days_without_use_are_shown_too(ada: User) -> None:
    use(ada)
    Usage.objects.update(day=timezone.now().date() - timedelta(days=3))
    days = by_day(usage_since(7), 7)
    assert [day.tokens for day in days] == [0, 0, 0, 30, 0, 0, 0]
    assert not usage_since(3).exists()


def test_a_model_without_a_price_costs_what_all_others_do() -> None:
    Price.objects.create(model="", prompt_million=Decimal(2), completion_million=Decimal(6))
    Price.objects.create(model="large", engine_hour=Decimal("7.2"))
    assert cost_of("small", 500_000, 250_000, 100.0) == Decimal("2.5")
    assert cost_of("large", 500_000, 250_000, 100.0) == Decimal("0.2")


def test_a_new_price_changes_no_past_cost(ada: User) -> None:
    price = Price.objects.create(model="", prompt_million=Decimal(1_000_000))
    use(ada)
    price.prompt_million = Decimal(0)
    price.save()
    use(ada)
    assert Usage.objects.get().cost == Decimal(10)


def test_without_prices_nothing_costs_anything() -> None:
    assert cost_of("small", 10**9, 10**9, 10**6) == 0


def test_one_sees_one_s_own_use_and_nobody_else_s(client: Client, ada: User) -> None:
    use(ada, "think")
    use(User.objects.create_user("grace"), "secret-model")
    client.force_login(ada)
    page = client.get("/usage/").text
    assert "think" in page
    assert "secret-model" not in page
    assert client.get("/usage/everyone/").status_code == 403
    assert client.get("/usage/?by=person").status_code == 200  # as if nothing were asked
    assert "grace" not in client.get("/usage/?by=person").text


def test_administrators_see_everyone_s_and_take_it_along(client: Client, ada: User) -> None:
    use(User.objects.create_user("=cmd()"), tokens=7)
    client.force_login(User.objects.create_superuser("grace"))
    assert "=cmd()" in client.get("/usage/everyone/").text
    file = client.get("/usage/everyone/?by=person&format=csv")
    assert file.headers["Content-Type"].startswith("text/csv")
    assert "'=cmd(),,1,7,14,0.5," in file.text


@pytest.mark.parametrize(
    "query", ["days=NaN", "days=-1", "days=1e9", "by=%00", "by=password", "days=1&days=2", "x=1"]
)
def test_what_cannot_be_asked_is_passed_over(client: Client, query: str) -> None:
    client.force_login(User.objects.create_superuser("grace"))
    assert client.get(f"/usage/everyone/?{query}").status_code == 200


def test_usage_is_not_for_visitors(client: Client) -> None:
    for address in ("/usage/", "/usage/everyone/"):
        assert client.get(address).headers["Location"].startswith("/sign-in/")


def test_one_sees_what_is_left_of_one_s_limits(client: Client, ada: User) -> None:
    Limit.objects.create(audience="person", user=ada, resource="tokens", amount=1000, period="day")
    forget_rules()
    use(ada, tokens=100)
    client.force_login(ada)
    page = client.get("/usage/").text
    assert "Tokens in any day" in page
    assert "300 of 1,000" in page


def test_limits_and_prices_are_set_in_the_admin_and_on_record(client: Client) -> None:
    client.force_login(User.objects.create_superuser("grace"))
    form = {"audience": "everyone", "resource": "requests", "amount": "100", "period": "hour"}
    client.post("/admin/accounts/limit/add/", form)
    assert str(Limit.objects.get()) == "each person with an account: 100 requests in any hour"
    client.post("/admin/accounts/limit/add/", form | {"period": "day", "audience": "person"})
    assert Limit.objects.count() == 1
    prices = {"model": "", "prompt_million": "1.5", "completion_million": "NaN", "engine_hour": "0"}
    client.post("/admin/accounts/price/add/", prices)
    client.post("/admin/accounts/price/add/", prices | {"completion_million": "-1"})
    assert not Price.objects.exists()
    client.post("/admin/accounts/price/add/", prices | {"completion_million": "3"})
    assert Price.objects.get().completion_million == 3
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"add limit", "add price"}
