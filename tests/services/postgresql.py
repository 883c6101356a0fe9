"""A PostgreSQL server of the tests' own, on loopback, in a directory that goes with it."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """Where PostgreSQL's programs lie; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def running_postgresql(bin_directory: Path) -> Iterator[str]:
    """The address, as DATABASE_URL takes it, of an empty server with a password."""
    with tempfile.TemporaryDirectory(prefix="headwater-pg-") as root:
        directory, password = Path(root), secrets.token_urlsafe(16)
        (directory / "password").write_text(password)
        account = own(directory)
        port, data = free_port(), directory / "data"
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        made = [
            "initdb",
            "-D",
            data,
            "-U",
            "headwater",
            "-A",
            "scram-sha-256",
            "--pwfile",
            directory / "password",
        ]
        begun = ["pg_ctl", "-D", data, "-o", options, "-l", directory / "log", "-w", "start"]
        ended = ["pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"]
        run(bin_directory, made, account)
        run(bin_directory, begun, account)
        try:
            yield f"postgresql://headwater:{password}@127.0.0.1:{port}/headwater"
        finally:
            run(bin_directory, ended, account)


def own(directory: Path) -> str | None:
    """Gives the directory to PostgreSQL's own account where the tests run as root, whom it refuses."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam("postgres")
    for path in (directory, directory / "password"):
        os.chown(path, account.pw_uid, account.pw_gid)
    return account.pw_name


def run(bin_directory: Path, command: list[str | Path], account: str | None) -> None:
    program, *arguments = command
    quiet = subprocess.DEVNULL  # a started server would keep a pipe open
    done = subprocess.run(
        [bin_directory / program, *arguments],
        user=account,
        group=account,
        extra_groups=None if account is None else [],
        stdout=quiet,
        stderr=quiet if program == "pg_ctl" else subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 0, (done.stderr or b"").decode() or f"{program} ended with {done.returncode}"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
