"""A site with one model and one engine that others started: for benchmarks/gateway.py, which has main()."""

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

MODEL = "ten-million"
HIDDEN = 512
SEED = 7


@dataclass(frozen=True)
class Site:
    """`model` is the checkpoint's directory, `key` an API key that may chat, `environ` what the web needs."""

    home: Path
    model: Path
    key: str
    environ: dict[str, str]
    redis_command: tuple[str, ...]

    def serve(self, address: str) -> None:
        """Register the engine at this address as one that holds the model and is heard for a day."""
        from django.utils import timezone

        from playground.models import Engine, EngineState
        from training.models import Checkpoint

        Engine.objects.create(
            slot=0,
            kind="vllm",
            state=EngineState.READY,
            checkpoint=Checkpoint.objects.get(),
            address=address,
            ready_at=timezone.now(),
            heartbeat_at=timezone.now() + timedelta(days=1),
        )


def make_site(home: Path) -> Site:
    environ = {
        "HEADWATER_HOME": str(home),
        "SECRET_KEY": secrets.token_hex(32),
        "HEADWATER_ANONYMOUS": "0",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    os.environ |= environ
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from playground.demo.programs import embedded_redis

    for directory in (settings.EMBEDDED_REDIS_SOCKET.parent, home / "redis", home / "static"):
        directory.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0)
    model = write_model(home)
    return Site(home, model, make_key(), environ, embedded_redis().command)


def write_model(home: Path) -> Path:
    from tests.playground.tiny_model import digest, write_checkpoint
    from training.models import Checkpoint

    path = home / "checkpoints" / MODEL
    write_checkpoint(path, seed=SEED, hidden=HIDDEN)
    weights, tokenizer = digest(path / "model.safetensors"), digest(path / "tokenizer.json")
    Checkpoint.objects.create(
        name=MODEL, stage="sft", step=1, steps=1, chat="chatml", digest=weights, tokenizer=tokenizer
    )
    return path


def make_key() -> str:
    from accounts.models import Scope, User
    from accounts.services import create_key

    person = User.objects.create_user("benchmark", password=secrets.token_hex(16))
    return create_key(user=person, name="benchmark", scopes=[Scope.CHAT])[1]


def web_command(port: int) -> list[str]:
    from playground.demo.programs import web

    return list(web(port).command)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
