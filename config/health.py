"""/health says that the process lives; /ready says whether people can be served, part by part."""

from collections.abc import Callable
from datetime import timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from playground.engines import being_installed
from playground.models import Engine, EngineState

TIMEOUT_S = 2.0
ENGINE_HEARTBEAT = timedelta(seconds=30)


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers at all."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database, Redis and at least one engine answer; else 503 with each part's reason."""
    reasons = {name: check() for name, check in CHECKS.items()}
    all_ready = not any(reasons.values())
    parts = {name: {"ready": not reason, "reason": reason} for name, reason in reasons.items()}
    body = {"status": "ready" if all_ready else "not ready", "parts": parts}
    return JsonResponse(body, status=200 if all_ready else 503)


def database_reason() -> str:
    """Why the database cannot be used, or nothing."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"The database does not answer ({type(error).__name__})."
    return ""


def redis_reason() -> str:
    """Why Redis cannot be used, or nothing. Its address may hold a password, so it is not told."""
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        ) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        return f"Redis does not answer ({type(error).__name__})."
    return ""


def engine_reason() -> str:
    """Why nobody can chat, or nothing."""
    try:
        engines = list(Engine.objects.all())
    except DatabaseError:
        return "The engines' state cannot be read."
    if being_installed():
        return "No engine is ready: it is still being installed."
    alive = [engine for engine in engines if is_alive(engine)]
    if any(engine.state == EngineState.READY for engine in alive):
        return ""
    if not alive:
        return "No engine is ready: nothing has been heard of manage.py engines. Start it."
    states = ", ".join(f"{engine} is {engine.get_state_display()}" for engine in alive)
    return f"No engine is ready: {states}."


def is_alive(engine: Engine) -> bool:
    """Whether the process that watches the engine has been heard lately."""
    return engine.heartbeat_at is not None and engine.heartbeat_at >= timezone.now() - ENGINE_HEARTBEAT


CHECKS: dict[str, Callable[[], str]] = {
    "database": database_reason,
    "redis": redis_reason,
    "engine": engine_reason,
}
