"""What index nodes say of themselves in Redis: which stores they hold, renewed often, gone when they are."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import redis
from django.conf import settings

from tracing.core.bytes.twin import FOLDER
from tracing.core.errors import StoreError
from tracing.core.stores.manifest import Manifest, manifest_text, parse_manifest, read_manifest

EVERY_S: Final = 5.0
ALIVE_S: Final = 15
"""A node that has not been heard for so long is away."""
HOSTNAME: Final = "index-"
"""What the names of their Celery workers begin with: they take no other tasks."""
NODES: Final = "headwater:index-nodes"


@dataclass(frozen=True)
class Announced:
    """A store or byte index that a node holds: its manifest, or the reason why it cannot be served."""

    node: str
    store: str
    manifest: Manifest | None
    reason: str = ""


@cache
def connection() -> redis.Redis:
    """Redis, for what nodes and the site tell each other; shared by this process's threads."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=3)


def stores_here() -> dict[str, Path]:
    """The directories in HEADWATER_HOME/stores by name, those being written left out."""
    found = (settings.HOME / "stores").glob("[!.]*")
    return {path.name: path for path in sorted(found) if path.is_dir()}


def held_here() -> dict[str, Path]:
    """The stores, and their byte indexes under the name of their folder: byte-indexes/NAME."""
    found = (settings.HOME / FOLDER).glob("[!.]*")
    return stores_here() | {f"{FOLDER}/{path.name}": path for path in sorted(found) if path.is_dir()}


def announce(node: str, stores: Mapping[str, Path]) -> None:
    """Say for the next ALIVE_S seconds that `node` holds these stores."""
    said = json.dumps([_entry(name, path) for name, path in stores.items()])
    with connection().pipeline() as pipeline:
        pipeline.set(_key(node), said, ex=ALIVE_S)
        pipeline.zadd(NODES, {node: time.time()})
        pipeline.zremrangebyscore(NODES, 0, time.time() - 24 * 3600)
        pipeline.execute()


def withdraw(node: str) -> None:
    """Say that `node` is leaving."""
    connection().delete(_key(node))


def announced() -> dict[str, list[Announced]]:
    """What the nodes that are there hold, by the stores' names. Raises redis.RedisError."""
    found: dict[str, list[Announced]] = {}
    for entry in _read(connection().zrange(NODES, 0, -1)):
        found.setdefault(entry.store, []).append(entry)
    return found


def _read(nodes: Iterable[bytes]) -> Iterator[Announced]:
    names = [node.decode() for node in nodes]
    for node, said in zip(names, connection().mget(map(_key, names)) if names else [], strict=True):
        for fields in json.loads(said or "[]"):
            yield _announced(node, fields)


def _announced(node: str, fields: Mapping[str, str]) -> Announced:
    try:
        text = fields.get("manifest")
        manifest = parse_manifest(text, f"the announcement of {node}") if text else None
        return Announced(node, fields["store"], manifest, fields.get("reason", ""))
    except StoreError as error:
        return Announced(node, fields["store"], None, str(error))


def _entry(name: str, path: Path) -> dict[str, str]:
    try:
        return {"store": name, "manifest": manifest_text(read_manifest(path))}
    except StoreError as error:
        return {"store": name, "reason": str(error)}


def _key(node: str) -> str:
    return f"headwater:index-node:{node}"
