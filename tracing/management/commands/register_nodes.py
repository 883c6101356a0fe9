"""`manage.py register_nodes`: make rows for the stores that index nodes announce."""

from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError

from tracing.core.bytes.twin import FOLDER
from tracing.core.errors import TracingError
from tracing.nodes.announcing import Announced, announced
from tracing.services import register_manifest


class Command(BaseCommand):
    help = (
        "Registers the stores that index nodes announce, so that models can be traced to them. A store whose "
        "directory is on this machine stays as it is. Exits with 1 if a node holds a store that it cannot "
        "serve."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            held = announced()
        except (redis.RedisError, OSError) as error:
            raise CommandError(f"Redis does not answer ({type(error).__name__}): check REDIS_URL.") from error
        if not held:
            raise CommandError(
                "No index node is there: start `manage.py index_node` on the machines with stores."
            )
        failed = [self._register(name, entries) for name, entries in sorted(held.items())].count(False)
        if failed:
            raise CommandError(f"{failed} of {len(held)} stores cannot be served.")

    def _register(self, name: str, entries: list[Announced]) -> bool:
        """Registers a store by its first sound announcement; says what became of each."""
        nodes = ", ".join(entry.node for entry in entries)
        manifest = next((entry.manifest for entry in entries if entry.manifest), None)
        reasons = "; ".join(f"on {entry.node}: {entry.reason}" for entry in entries if entry.reason)
        if manifest is None:
            self.stderr.write(f"{name}  {reasons}")
            return False
        if name.startswith(f"{FOLDER}/"):
            self.stdout.write(f"{name}  on {nodes}")
            return True
        try:
            store = register_manifest(name, manifest)
        except TracingError as error:
            self.stderr.write(f"{name}  {error}")
            return False
        self.stdout.write(f"{name}  {store.stage}, {store.tokens:,} tokens, on {nodes}")
        return True
