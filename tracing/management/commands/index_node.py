"""`manage.py index_node`: search the stores of this machine for a site on another one."""

import re
import socket
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tracing.nodes.announcing import connection, stores_here
from tracing.nodes.worker import run_node

CONCURRENCY_MAX = 256


class Command(BaseCommand):
    help = (
        "Serves the token stores in HEADWATER_HOME/stores of this machine, and their byte indexes in "
        "HEADWATER_HOME/byte-indexes, to a Headwater site elsewhere, until it is stopped. Needs the site's "
        "REDIS_URL and no database. What is copied into the directories later is served within seconds; "
        "`manage.py register_nodes` on the site registers the stores."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", default=socket.gethostname(), help="what answers call this machine")
        parser.add_argument(
            "--concurrency", type=int, default=4, help="how many questions are answered at once"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", options["name"]):
            raise CommandError(f"{options['name']!r} is no name: use letters, digits, '.', '_' and '-'.")
        if not 1 <= options["concurrency"] <= CONCURRENCY_MAX:
            raise CommandError(f"--concurrency is {options['concurrency']}: give 1 to {CONCURRENCY_MAX}.")
        try:
            connection().ping()
        except (redis.RedisError, OSError) as error:
            raise CommandError(
                f"Redis does not answer ({type(error).__name__}): set REDIS_URL to the site's Redis."
            ) from error
        self.stdout.write(f"{len(stores_here())} stores in {settings.HOME / 'stores'}, as {options['name']}")
        run_node(options["name"], concurrency=options["concurrency"])
