"""What a person should know of the engines before they wait for an answer."""

from datetime import timedelta

from django.utils import timezone

from playground.engines import HEARTBEAT_S, being_installed
from playground.models import Engine, EngineState


def engine_notice() -> str:
    """Why answers will be slow, or will not come; empty while vLLM serves as it should."""
    if being_installed():
        return "The engine is still being installed; the first answer waits for it."
    heard = timezone.now() - timedelta(seconds=HEARTBEAT_S)
    engines = list(Engine.objects.filter(heartbeat_at__gte=heard).exclude(error=""))
    failed = [engine for engine in engines if engine.state == EngineState.FAILED]
    return (failed or engines)[0].error if engines else ""
