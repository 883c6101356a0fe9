"""What must be in place before the programs start: directories, tables, an administrator, a program's key."""

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from accounts.models import ApiKey, Scope, User

ADMINISTRATOR = "admin"
KEY_NAME = "demo"
PRIVATE_DIRECTORIES = ("run", "redis")
DIRECTORIES = ("logs", "static", "jobs", "stores", "checkpoints", "tokenizers")


def prepare() -> str | None:
    """Prepares HEADWATER_HOME. Returns the administrator's password if it was made just now."""
    make_directories()
    call_command("migrate", interactive=False, verbosity=0)
    password = make_administrator()
    make_key_file(settings.HOME / "demo.key")
    return password


def make_directories() -> None:
    for name in DIRECTORIES:
        (settings.HOME / name).mkdir(exist_ok=True)
    private = [settings.HOME / name for name in PRIVATE_DIRECTORIES]
    for directory in [*private, settings.EMBEDDED_REDIS_SOCKET.parent]:
        directory.mkdir(exist_ok=True, mode=0o700)
        directory.chmod(0o700)


def make_administrator() -> str | None:
    """Makes the first administrator with a random password, or returns None where there is one already."""
    if User.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser(ADMINISTRATOR, password=password)
    return password


def make_key_file(path: Path) -> None:
    """Writes an API key with every scope, for its owner's eyes only, unless the file's key still works."""
    if path.is_file() and ApiKey.objects.is_valid(path.read_text().strip()):
        return
    administrator = User.objects.filter(is_superuser=True).earliest("pk")
    ApiKey.objects.filter(name=KEY_NAME, user=administrator).update(revoked=True)
    _, key = ApiKey.objects.create_key(name=KEY_NAME, user=administrator, scopes=list(Scope.values))
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
