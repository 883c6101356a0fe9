"""The demo's supervisor with real, small programs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config.firstrun import SUPERVISED_MARK
from playground.demo import leftovers
from playground.demo.engine_environment import EngineEnvironment
from playground.demo.errors import DemoError
from playground.demo.programs import Program
from playground.demo.supervisor import Supervisor

SLEEPER = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory whose name needs quoting, and the mark that the demo's children inherit."""
    home = tmp_path / "a data; directory %h 'x'"
    for name in ("run", "logs"):
        (home / name).mkdir(parents=True)
    monkeypatch.setenv(SUPERVISED_MARK, str(home))
    yield home
    leftovers.stop_all(home)


def log_of(home: Path, name: str) -> Path:
    return home / "logs" / f"{name}.log"


def supervisor_of(home: Path, *programs: Program) -> Supervisor:
    return Supervisor(programs, home, home.parent / "s.sock")


def eventually(condition: Callable[[], object], wait_s: float = 30) -> bool:
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def state_of(supervisor: Supervisor, name: str) -> str:
    states = supervisor.states()
    return states[name].state if name in states else ""


def pid_of(supervisor: Supervisor, name: str) -> int:
    assert eventually(lambda: state_of(supervisor, name) == "RUNNING")
    return supervisor.states()[name].pid


def test_a_killed_program_is_started_again(directory: Path) -> None:
    with supervisor_of(directory, Program("sleeper", SLEEPER)) as supervisor:
        first = pid_of(supervisor, "sleeper")
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: pid_of(supervisor, "sleeper") != first)
        assert eventually(lambda: said(directory, "sleeper") == ["here", "here"])
    assert leftovers.processes_of(directory) == []


def test_a_program_gets_its_arguments_unchanged(directory: Path) -> None:
    arguments = ("50 %", "%(here)s", "a 'quoted' \"word\"", "semi;colon", "")
    command = (sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *arguments)
    with supervisor_of(directory, Program("echo", command, once=True)):
        log = log_of(directory, "echo")
        assert eventually(lambda: log.exists() and log.read_text().endswith("\n"))
        assert log.read_text() == '["50 %", "%(here)s", "a \'quoted\' \\"word\\"", "semi;colon", ""]\n'


def test_what_supervisord_cannot_be_told_is_refused(directory: Path) -> None:
    with pytest.raises(DemoError, match="plainer path"):
        supervisor_of(directory, Program("web", ("run", "a ;comment"))).start()


def test_a_program_that_ends_by_itself_keeps_its_status_and_can_be_run_again(directory: Path) -> None:
    command = (sys.executable, "-c", "print('ran', flush=True); raise SystemExit(3)")
    with supervisor_of(directory, Program("install", command, once=True)) as supervisor:
        assert eventually(lambda: state_of(supervisor, "install") == "EXITED")
        assert supervisor.states()["install"].exit_status == 3
        supervisor.start_program("install")
        assert eventually(lambda: log_of(directory, "install").read_text() == "ran\nran\n")


def test_a_program_can_wait_until_it_is_started(directory: Path) -> None:
    with supervisor_of(directory, Program("engines", SLEEPER, autostart=False)) as supervisor:
        assert eventually(lambda: state_of(supervisor, "engines") == "STOPPED")
        supervisor.start_program("engines")
        pid_of(supervisor, "engines")


def test_lower_ranks_stop_after_higher_ones(directory: Path) -> None:
    """Redis must outlive the programs that write to it."""
    stop_slowly = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(float(sys.argv[1])), "
        "print(time.time(), flush=True), sys.exit())); print('up', flush=True); time.sleep(600)"
    )
    redis = Program("redis", (sys.executable, "-c", stop_slowly, "0"), rank=1)
    web = Program("web", (sys.executable, "-c", stop_slowly, "1"), rank=2)
    with supervisor_of(directory, redis, web):
        assert eventually(lambda: all(said(directory, name) == ["up"] for name in ("redis", "web")))
    assert float(said(directory, "redis")[1]) > float(said(directory, "web")[1])


def said(directory: Path, name: str) -> list[str]:
    log = log_of(directory, name)
    return log.read_text().splitlines() if log.exists() else []


def test_a_killed_supervisord_is_replaced_and_its_programs_with_it(directory: Path) -> None:
    with supervisor_of(directory, Program("sleeper", SLEEPER)) as supervisor:
        orphan = pid_of(supervisor, "sleeper")
        assert not supervisor.revive()
        supervisor.process.kill()
        supervisor.process.wait()
        assert supervisor.revive()
        assert not psutil.pid_exists(orphan)
        assert pid_of(supervisor, "sleeper") != orphan


def test_everything_stops_when_the_demo_itself_is_killed(directory: Path) -> None:
    demo = subprocess.Popen([sys.executable, "-c", PARENT, str(directory)], stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    assert demo.stdout.readline() == "running\n"
    assert len(leftovers.processes_of(directory)) >= 2
    demo.kill()
    demo.wait()
    assert eventually(lambda: not leftovers.processes_of(directory))


PARENT = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from playground.demo.programs import Program
from playground.demo.supervisor import Supervisor
home = Path(sys.argv[1])
supervisor = Supervisor([Program("sleeper", {SLEEPER!r})], home, home.parent / "s.sock")
supervisor.start()
for _ in range(200):
    if any(state.running for state in supervisor.states().values()):
        break
    time.sleep(0.1)
print("running", flush=True)
time.sleep(60)
"""


def test_leftovers_are_of_this_directory_only(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL)
    monkeypatch.setenv(SUPERVISED_MARK, f"{directory}-of-another")
    others = subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL)
    monkeypatch.delenv(SUPERVISED_MARK)
    monkeypatch.setenv("HEADWATER_HOME", str(directory))
    shell = subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL)
    try:
        assert leftovers.stop_all(directory) == 1
        assert not psutil.pid_exists(mine.pid)
        assert others.poll() is None
        assert shell.poll() is None
    finally:
        for process in (mine, others, shell):
            process.kill()
            process.wait()


def test_leftovers_that_ignore_a_kind_word_are_killed(directory: Path) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert leftovers.stop_all(directory, patience_s=0.3) == 1
    assert not psutil.pid_exists(process.pid)


def test_engines_start_once_their_environment_is_installed(directory: Path) -> None:
    """The first try of the install fails, as without a network; the second works."""
    try_twice = (
        "import pathlib, sys; p = pathlib.Path(sys.argv[1]); d = p.exists(); p.touch(); sys.exit(not d)"
    )
    command = (sys.executable, "-c", try_twice, str(directory / "tried"))
    install = Program("engine-environment", command, once=True)
    engines = Program("engines", SLEEPER, autostart=False)
    with supervisor_of(directory, install, engines) as supervisor:
        environment = EngineEnvironment(supervisor, retry_s=0.5)
        assert eventually(lambda: "is tried again" in environment.follow())
        assert state_of(supervisor, "engines") == "STOPPED"
        assert eventually(lambda: not environment.follow() and state_of(supervisor, "engines") == "RUNNING")
        assert supervisor.states()["engine-environment"].ended_well


def test_an_environment_that_is_there_is_not_talked_about(directory: Path) -> None:
    with supervisor_of(directory, Program("engines", SLEEPER)) as supervisor:
        pid_of(supervisor, "engines")
        assert EngineEnvironment(supervisor).follow() == ""
