"""How several answers share the engines, said before anybody wonders why one waits."""

from datetime import timedelta

from django.utils import timezone

from playground.engines import HEARTBEAT_S
from playground.models import Engine


def sharing_notice() -> str:
    """Why answers come one after the other; empty where two engines or more are at work."""
    heard = timezone.now() - timedelta(seconds=HEARTBEAT_S)
    if Engine.objects.filter(heartbeat_at__gte=heard).count() != 1:
        return ""
    return (
        "One engine serves here, so the answers of several models come one after the other: it writes one, "
        "then loads the next model's weights. Reload or leave as you like, all are kept."
    )
