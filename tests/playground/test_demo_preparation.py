"""What the demo puts in place before its programs start, and what it tells."""

import io
import json
import os
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings
from rich.console import Console

from accounts.models import ApiKey, Scope, User
from config import firstrun
from playground.demo import preparation
from playground.demo.claim import check_port, claimed
from playground.demo.errors import DemoError
from playground.demo.lines import Lines
from playground.demo.screen import Screen
from playground.demo.snapshot import Snapshot
from playground.demo.supervisor import ProgramState
from playground.models import Engine, EngineState
from training.models import Flow, Job, JobState
from training.overview import flow_overview

HERE = Path(__file__).parents[2]


def test_the_first_start_makes_a_private_directory_and_key(tmp_path: Path) -> None:
    environ = {"HEADWATER_HOME": str(tmp_path / "deep" / "home")}
    home = firstrun.prepare(environ)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "secret.key").stat().st_mode) == 0o600
    assert len((home / "secret.key").read_text().strip()) > 50
    assert environ[firstrun.SUPERVISED_MARK] == str(home)
    assert environ["HEADWATER_ANONYMOUS"] == "1"


def test_a_later_start_keeps_the_key_and_an_operator_s_choices(tmp_path: Path) -> None:
    environ = {"HEADWATER_HOME": str(tmp_path), "HEADWATER_ANONYMOUS": "0"}
    firstrun.prepare(environ)
    key = (tmp_path / "secret.key").read_text()
    (tmp_path / "secret.partial").write_text("half a k")
    firstrun.prepare(environ)
    assert (tmp_path / "secret.key").read_text() == key
    assert environ["HEADWATER_ANONYMOUS"] == "0"


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if k != "SECRET_KEY"} | {"HEADWATER_HOME": str(tmp_path)}
    sign = "from django.core import signing; print(signing.dumps('session'))"
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", sign]
    done = subprocess.run(command, cwd=HERE, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "SECRET_KEY setting must not be empty" in done.stderr


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({}, False),
        ({"DISPLAY": ":0", "CI": "true"}, False),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, False),
    ],
)
def test_a_browser_is_opened_only_for_somebody_who_sees_it(environ: dict[str, str], expected: bool) -> None:
    assert firstrun.has_desktop(environ) is expected


@pytest.mark.django_db
def test_the_administrator_s_password_is_told_once_and_works(client: object) -> None:
    password = preparation.make_administrator()
    assert password
    assert User.objects.get(username="admin").check_password(password)
    assert preparation.make_administrator() is None


@pytest.mark.django_db
def test_the_key_file_holds_a_working_key_with_every_scope(tmp_path: Path) -> None:
    preparation.make_administrator()
    path = tmp_path / "demo.key"
    preparation.make_key_file(path)
    key = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(ApiKey.objects.get_from_key(key).scopes) == set(Scope.values)
    preparation.make_key_file(path)
    assert path.read_text().strip() == key


@pytest.mark.django_db
@pytest.mark.parametrize("damage", ["", "not a key", "abcdefgh.0123456789"])
def test_a_lost_or_broken_key_file_gets_a_new_key_and_the_old_one_is_revoked(
    tmp_path: Path, damage: str
) -> None:
    preparation.make_administrator()
    path = tmp_path / "demo.key"
    preparation.make_key_file(path)
    old = path.read_text().strip()
    path.write_text(damage)
    preparation.make_key_file(path)
    assert ApiKey.objects.is_valid(path.read_text().strip())
    assert not ApiKey.objects.is_valid(old)


def test_one_demo_a_directory(tmp_path: Path) -> None:
    with claimed(tmp_path, 8000):
        assert json.loads((tmp_path / "run" / "demo.lock").read_text())["address"] == "http://127.0.0.1:8000"
        with pytest.raises(DemoError, match=r"already runs from .* at http://127\.0\.0\.1:8000"):
            claimed(tmp_path, 8001).__enter__()
    with claimed(tmp_path, 8001):
        pass


def test_a_port_in_use_is_refused_and_a_free_one_is_not() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(DemoError, match=f"Port {port} cannot be used"):
            check_port(port)
    check_port(port)


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    with pytest.raises(DemoError, match="make demo PORT="):
        check_port(port)


@pytest.fixture
def snapshot(db: None, settings: Settings, tmp_path: Path) -> Snapshot:
    """A flow in mid-training, an engine that starts, and a web server that does not."""
    settings.HOME = tmp_path
    flow = Flow.objects.create(name="demo", recipe="demo")
    now = timezone.now()
    ended = {"started_at": now - timedelta(seconds=70), "finished_at": now, "state": JobState.SUCCEEDED}
    first = Job.objects.create(flow=flow, stage="prepare", position=0, planned_s=60, **ended)
    running = {"state": JobState.RUNNING, "started_at": now, "phase": "training", "done": 30, "total": 100}
    Job.objects.create(flow=flow, stage="pretrain", position=1, after=first, planned_s=60, **running)
    engine = Engine.objects.create(slot=0, kind="vllm", state=EngineState.STARTING)
    programs = {"web": ProgramState("web", "BACKOFF", 1, 0)}
    return Snapshot(programs, [engine], flow_overview(flow), ["web stops as soon as it starts"])


def test_the_picture_tells_address_stages_engines_and_troubles(snapshot: Snapshot) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=40, color_system=None)
    with Screen(console, "http://127.0.0.1:8000", Path("var")) as screen:
        screen.show(snapshot)
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    told = ["http://127.0.0.1:8000", "prepare", "1m10s", "pretrain", "30/100", "starting (vllm)"]
    for words in [*told, "web stops as soon as it starts", "Ctrl-C"]:
        assert words in drawn, drawn


def test_the_picture_needs_neither_flow_nor_engines() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with Screen(console, "http://127.0.0.1:8000", Path("var")) as screen:
        screen.show(Snapshot({}, [], None, []))
    assert "The flow is being prepared" in console.file.getvalue()  # type: ignore[attr-defined]


def test_lines_tell_each_change_once(snapshot: Snapshot) -> None:
    output = io.StringIO()
    with Lines(output) as lines:
        lines.show(snapshot)
        first = output.getvalue().splitlines()
        lines.show(snapshot)
        assert output.getvalue().splitlines() == first
        up = replace(snapshot, programs={"web": ProgramState("web", "RUNNING", 0, 7)}, notices=[])
        lines.show(up)
    assert "web: backoff" in first
    assert "stage prepare: done in 1m10s" in first
    assert "stage pretrain: training, 25 %" in first
    assert "engine 0: starting (vllm)" in first
    assert output.getvalue().splitlines()[len(first) :] == ["web: running"]
