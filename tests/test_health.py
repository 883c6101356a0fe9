"""/health and /ready, with parts that are really there or really gone."""

from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from playground.models import Engine, EngineState


def parts(client: Client) -> dict[str, dict[str, object]]:
    return client.get("/ready").json()["parts"]


def make_engine(**fields: object) -> Engine:
    defaults = {"slot": 0, "kind": "vllm", "state": EngineState.READY, "heartbeat_at": timezone.now()}
    return Engine.objects.create(**(defaults | fields))


def test_health_needs_nothing_but_the_process(client: Client) -> None:
    response = client.get("/health")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_they_only_answer(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
    assert client.delete(path).status_code == 405


@pytest.mark.django_db
def test_ready_when_every_part_is(client: Client, redis_server: redis.Redis) -> None:
    make_engine()
    response = client.get("/ready")
    assert response.status_code == 200
    assert response.json()["status"] == "ready"


@pytest.mark.django_db
def test_not_ready_without_redis_and_it_says_so_without_its_address(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    make_engine()
    settings.REDIS_URL = f"unix://:secret@{tmp_path}/nobody.sock"
    response = client.get("/ready")
    assert response.status_code == 503
    assert response.json()["parts"]["redis"]["reason"] == "Redis does not answer (ConnectionError)."
    assert "secret" not in response.content.decode()
    assert response.json()["parts"]["database"]["ready"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"state": EngineState.STARTING}, "engine 0 is starting"),
        ({"state": EngineState.FAILED}, "engine 0 is failed"),
        ({"heartbeat_at": None}, "nothing has been heard of manage.py engines"),
    ],
)
def test_not_ready_without_an_engine_that_is(
    client: Client, redis_server: redis.Redis, fields: dict[str, object], reason: str
) -> None:
    make_engine(**fields)
    response = client.get("/ready")
    assert response.status_code == 503
    assert reason in response.json()["parts"]["engine"]["reason"]


@pytest.mark.django_db
def test_an_engine_whose_supervisor_is_silent_does_not_count(
    client: Client, redis_server: redis.Redis
) -> None:
    make_engine(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert parts(client)["engine"]["ready"] is False


@pytest.mark.django_db
def test_an_engine_that_is_being_installed_is_told(
    client: Client, redis_server: redis.Redis, settings: Settings, tmp_path: Path
) -> None:
    settings.ENGINE_PYTHON = tmp_path / "bin" / "python"
    (tmp_path / ".installing").touch()
    assert parts(client)["engine"]["reason"] == "No engine is ready: it is still being installed."


@pytest.mark.django_db
def test_no_engine_at_all_tells_what_to_start(client: Client, redis_server: redis.Redis) -> None:
    assert "manage.py engines" in str(parts(client)["engine"]["reason"])
