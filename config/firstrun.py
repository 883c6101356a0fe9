"""What `manage.py demo` needs before Django can read its settings: a data directory and a signing key."""

import os
import secrets
from collections.abc import MutableMapping
from pathlib import Path

from config import environment

SUPERVISED_MARK = "HEADWATER_SUPERVISED_FROM"


def prepare(environ: MutableMapping[str, str] = os.environ) -> Path:
    """Makes HEADWATER_HOME and its key, and sets what every process that the demo starts inherits.

    The mark is how a later start finds what an earlier one left running: this process's own entry in /proc
    does not show it, its children's does.
    """
    home = Path(environment.HOME.text(environ)).expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_secret_key(home / "secret.key")
    environ["HEADWATER_HOME"] = environ[SUPERVISED_MARK] = str(home)
    environ.setdefault(environment.ANONYMOUS_CHAT.name, "1")
    # Otherwise engines that rename themselves overwrite their environment in /proc, the mark with it.
    environ["SPT_NOENV"] = "1"
    return home


def make_secret_key(path: Path) -> None:
    """Writes a random key that only its owner can read, unless there is one. Never half a key."""
    if path.exists():
        return
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48) + "\n")
        os.fsync(file.fileno())
    partial.replace(path)


def has_desktop(environ: MutableMapping[str, str] = os.environ) -> bool:
    """Whether a browser can be opened for the person who typed the command: a screen, at this machine."""
    remote = {"CI", "SSH_CONNECTION", "SSH_TTY"} & environ.keys()
    return not remote and bool({"DISPLAY", "WAYLAND_DISPLAY"} & environ.keys())
