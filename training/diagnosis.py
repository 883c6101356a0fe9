"""What `manage.py doctor` looks at: each check says what it found and, where it is bad, what to do."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from config import environment
from tracing.core.errors import SearchUnavailable
from tracing.models import Store
from tracing.nodes.announcing import HOSTNAME, announced
from tracing.search.backend import search_index
from training.core.verifiers.confinement.sandbox import run_code

FREE_BYTES_WANTED = 2 << 30
WORKER_WAIT_S = 1.0


@dataclass(frozen=True)
class Finding:
    """One check: `advice` is empty where all is well; `required` where nothing works without it."""

    name: str
    found: str
    advice: str = ""
    required: bool = True


def diagnose() -> Iterator[Finding]:
    """Runs every check, quick ones first. A check that itself fails is a finding too."""
    checks: list[Callable[[], Finding]] = [
        python,
        home,
        disk,
        sandbox,
        database,
        broker,
        workers,
        index_nodes,
        engine,
        search,
    ]
    for check in checks:
        yield check()


def settings_table() -> list[tuple[str, str, str]]:
    """Name, value in force and help of every setting; secrets show only whether they are set."""
    return [(setting.name, shown(setting), setting.help) for setting in environment.ALL]


def shown(setting: environment.Setting) -> str:
    value = setting.text()
    if setting.secret:
        return "set" if value else "not set"
    return value


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    advice = "" if sys.version_info[:2] == (3, 11) else "Headwater is tested on Python 3.11: use that one."
    return Finding("Python", f"{version} at {sys.executable}", advice)


def sandbox() -> Finding:
    """Whether code that models write can be run to be checked."""
    ran = run_code("")
    if not ran.passed:
        advice = "The code verifier gives no rewards here; it needs Linux 5.13 with Landlock and seccomp."
        return Finding("Sandbox", ran.reason, advice, required=False)
    missing = ", ".join(f"{name} ({why})" for name, why in ran.missing.items())
    return Finding("Sandbox", f"confines code that models write{f', but for {missing}' if missing else ''}")


def home() -> Finding:
    folders = [
        settings.HOME,
        *(settings.HOME / name for name in ("stores", "checkpoints", "jobs", "run", "logs")),
    ]
    shut = [str(folder) for folder in folders if not can_write(folder)]
    advice = (
        f"Make these writable, or set HEADWATER_HOME to another directory: {', '.join(shut)}." if shut else ""
    )
    return Finding("Data directory", str(settings.HOME), advice)


def can_write(folder: Path) -> bool:
    """Whether files can be made in `folder`, or the folder itself can be made."""
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def disk() -> Finding:
    folder = settings.HOME if settings.HOME.exists() else settings.HOME.parent
    free = shutil.disk_usage(folder).free
    advice = "" if free >= FREE_BYTES_WANTED else "The demo needs about 2 GB: free some space."
    return Finding("Free disk", f"{free / 1e9:.1f} GB", advice, required=False)


def database() -> Finding:
    name = f"{connection.vendor} {connection.settings_dict['NAME']}"
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return Finding("Database", name, f"It does not answer ({error}): check DATABASE_URL.")
    advice = f"{len(waiting)} migrations are not applied: run `manage.py migrate`." if waiting else ""
    return Finding("Database", name, advice)


def broker() -> Finding:
    url = settings.REDIS_URL
    shown_url = url if url.startswith("unix://") else url.rsplit("@", 1)[-1]
    try:
        version = redis.Redis.from_url(url, socket_timeout=2).info("server")["redis_version"]
    except redis.RedisError as error:
        return Finding(
            "Redis", shown_url, f"It does not answer ({error}): start `manage.py demo`, or set REDIS_URL."
        )
    return Finding("Redis", f"{version} at {shown_url}")


def workers() -> Finding:
    from config.celery import app

    try:
        answers = app.control.ping(timeout=WORKER_WAIT_S)
    except Exception:
        answers = []
    names = [name for answer in answers for name in answer if not name.startswith(HOSTNAME)]
    advice = (
        ""
        if names
        else (
            "No worker takes jobs: `manage.py demo` starts one; by hand it is "
            "`celery --app config worker --pool threads --queues gpu,default --beat`."
        )
    )
    return Finding("Workers", ", ".join(names) or "none", advice, required=False)


def index_nodes() -> Finding:
    """The machines that hold stores of this site, and the stores that are nowhere."""
    try:
        held = announced()
        missing = [row.name for row in Store.objects.all() if not row.is_here and row.name not in held]
    except (redis.RedisError, OSError, DatabaseError) as error:
        return Finding("Index nodes", f"not known ({type(error).__name__})", required=False)
    names = sorted({entry.node for entries in held.values() for entry in entries})
    advice = (
        f"Neither here nor on a node: {', '.join(missing)}. Traces leave them out and say so: start "
        "`manage.py index_node` where they lie, or put them back."
    )
    return Finding("Index nodes", ", ".join(names) or "none", advice if missing else "", required=False)


def engine() -> Finding:
    path = settings.ENGINE_PYTHON
    advice = (
        ""
        if os.access(path, os.X_OK)
        else (
            "vLLM is not installed there: run `make engine`, or let `transformers serve` answer more slowly."
        )
    )
    return Finding("Engine's Python", str(path), advice, required=False)


def search() -> Finding:
    index = search_index()
    try:
        documents = sum(load.done for load in index.loads().values())
    except SearchUnavailable as error:
        return Finding("Corpus search", index.name, str(error), required=False)
    return Finding("Corpus search", f"{index.name}, {documents:,} documents", required=False)
