"""Every address of the site with things of a world filled in, found by walking the URL configuration."""

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tests.world import Things, World

ELSEWHERE = ("admin/", "static/")
"""The admin is Django's own, for staff alone; tests/accounts has its tests."""
PLACE = re.compile(r"<(?:\w+:)?(\w+)>")
GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")


def templates() -> list[str]:
    """Each address once, its places as <name>."""
    found = dict.fromkeys(plain(route) for route in routes(get_resolver()))
    return [route for route in found if not route.startswith(ELSEWHERE)]


def routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from routes(pattern, route)


def plain(route: str) -> str:
    """Without what only a regular expression needs. What is caught because nothing else fits is `...`."""
    if route.endswith("^") or "(?!" in route:
        return f"{re.split(r'[(^]', route)[0]}..."
    return PLACE.sub(r"<\1>", GROUP.sub(r"<\1>", route)).replace("^", "").replace("$", "")


def filled(template: str, world: World, things: Things) -> str:
    """The address with its places filled by what is Ada's, or Grace's where administrators make it."""
    values = {"start": 0, "end": 4, "number": 0, "act": "pause"} | values_of(template, world, things)
    return "/" + PLACE.sub(lambda place: str(values[place[1]]), template).replace("...", "no/such/address")


def values_of(template: str, world: World, things: Things) -> dict[str, Any]:
    """Of the longest beginning that fits."""
    fitting = [
        (begin, values) for begin, values in of_world(world, things).items() if template.startswith(begin)
    ]
    return max(fitting, key=lambda found: len(found[0]), default=("", {}))[1]


def of_world(world: World, things: Things) -> dict[str, dict[str, Any]]:
    return {
        "": {},
        "api/threads/": {"pk": world.thread.pk},
        "api/messages/": {"pk": world.answer.pk},
        "api/models/": {"name": world.checkpoint.name},
        "api/checkpoints/": {"name": world.checkpoint.name},
        "api/jobs/": {"pk": world.job.pk},
        "api/corpora/": {"name": world.store.name},
        "api/traces/": {"pk": world.trace.pk},
        "api/shares/": {"pk": world.share.pk},
        "attachments/": {"pk": things.attachment.pk},
        "banners/": {"pk": things.banner.pk},
        "calls/": {"pk": things.call.pk},
        "chat/": {"pk": world.thread.pk},
        "chat/<pk>/purge/": {"pk": things.deleted.pk},
        "chat/<pk>/restore/": {"pk": things.deleted.pk},
        "checkpoints/": {"name": world.checkpoint.name},
        "compare/<pk>/purge/": {"pk": things.deleted_lineup.pk},
        "compare/<pk>/restore/": {"pk": things.deleted_lineup.pk},
        "compare/": {"pk": things.lineup.pk, "answer": things.lineup_answer.pk},
        "datasets/": {"pk": things.dataset.pk},
        "evaluations/": {"number": things.evaluation.pk},
        "jobs/": {"pk": world.job.pk},
        "keys/": {"prefix": things.key.prefix},
        "messages/": {"pk": world.answer.pk},
        "messages/<pk>/edit/": {"pk": world.question.pk},
        "presets/": {"pk": things.preset.pk},
        "ratings/": {"pk": things.flag.pk},
        "shared/chats/": {"token": things.shared.token, "position": 1},
        "shared/comparisons/": {"token": things.shared_lineup.token},
        "shares/chats/": {"pk": things.shared.pk},
        "shares/comparisons/": {"pk": things.shared_lineup.pk},
        "shared/": {"token": world.share.token},
        "shares/": {"pk": world.share.pk},
        "sign-in/": {"provider_id": "none"},
        "stores/": {"name": world.store.name},
        "terms/": {"number": 1},
        "trace/": {"pk": world.trace.pk},
        "transfers/": {"pk": things.transfer.pk, "name": "README.md"},
        "v1/files/": {"file_id": things.dataset.public_id},
        "v1/fine_tuning/": {"job_id": f"ftjob-{things.fine_tune.pk}"},
        "v1/models/": {"name": world.checkpoint.name},
        "v1/traces/": {"public_id": world.trace.public_id},
    }
