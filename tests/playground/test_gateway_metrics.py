"""/metrics tells administrators how answers fare, and nobody else."""

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import Scope, User
from accounts.services import create_key
from playground.gateway.metrics import followed
from playground.models import Engine, EngineState
from training.models import Checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return User.objects.create_user("metrics-admin", password="a long password", is_staff=True)


def key_of(user: User, scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_key(user=user, name=scope, scopes=[scope])[1]}"}


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def of(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_only_administrators_read_them(client: Client, admin: User) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers=key_of(admin, Scope.CHAT)).status_code == 403
    assert client.get("/metrics", headers=key_of(admin, Scope.ADMIN)).status_code == 200
    assert client.post("/metrics", headers=key_of(admin, Scope.ADMIN)).status_code == 405
    client.force_login(User.objects.create_user("metrics-reader", password="a long password"))
    assert client.get("/metrics").status_code == 403
    client.force_login(admin)
    assert client.get("/metrics").status_code == 200


def test_they_count_answers_by_how_they_ended(client: Client, admin: User) -> None:
    with followed("metrics-model") as answer:
        answer.begin()
        answer.finish("stop", 7, 5)
    with followed("metrics-model"):
        pass
    with pytest.raises(ValueError, match="no"), followed("metrics-model"):
        raise ValueError("no")
    told = samples(client.get("/metrics", headers=key_of(admin, Scope.ADMIN)).text)
    for outcome in ("stop", "left", "ValueError"):
        assert told[of("headwater_answers_total", model="metrics-model", outcome=outcome)] == 1
    assert told[of("headwater_answers_writing", model="metrics-model")] == 0
    assert told[of("headwater_first_token_seconds_count", model="metrics-model")] == 1
    assert told[of("headwater_tokens_total", model="metrics-model", kind="prompt")] == 7
    assert told[of("headwater_tokens_total", model="metrics-model", kind="completion")] == 5


def test_they_tell_what_the_engines_do_now(client: Client, admin: User) -> None:
    held = Checkpoint.objects.create(name="metrics-held", stage="x", step=1, steps=1, chat="chatml")
    Engine.objects.create(slot=0, state=EngineState.READY, checkpoint=held)
    Engine.objects.create(slot=1, state=EngineState.FAILED, restarts=3)
    told = samples(client.get("/metrics", headers=key_of(admin, Scope.ADMIN)).text)
    assert told[of("headwater_engines", state="ready")] == 1
    assert told[of("headwater_engines", state="starting")] == 0
    assert told[of("headwater_engine_up", slot="0", model="metrics-held")] == 1
    assert told[of("headwater_engine_restarts", slot="1")] == 3
