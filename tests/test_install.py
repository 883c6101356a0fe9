"""The two commands' groundwork: Python is checked first, locks fit every machine."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def pins(name: str) -> dict[str, Requirement]:
    lines = (ROOT / "requirements" / name).read_text().split()
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}


def test_a_python_that_will_do_passes_without_a_word() -> None:
    done = run("deploy/check-python", sys.executable)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("python", ["", "/bin/false", "/no/such/python"])
def test_a_python_that_will_not_do_is_named_with_what_to_install(python: str) -> None:
    done = run("deploy/check-python", python)
    assert done.returncode == 1
    assert f"Headwater needs Python 3.11; {python or 'no python3 in PATH'} is not that." in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_a_python_without_venv_is_told_which_package_brings_it(tmp_path: Path) -> None:
    (tmp_path / "ensurepip.py").write_text("raise ImportError('as on a bare Debian')")
    python = tmp_path / "python3.11"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = run("deploy/check-python", str(python))
    assert done.returncode == 1
    assert (
        f"{python} cannot make virtual environments. On Debian 12: apt-get install python3-venv"
        in done.stderr
    )


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_each_package_for_machines_with_and_without_a_gpu(path: Path) -> None:
    for line in path.read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), f"{path.name}: {line}"
        assert not re.match(r"nvidia-|cuda-|triton", line), f"{path.name}: {line} is for pip to choose"


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {"headwater.lock": project["dependencies"]}
    asked["headwater-dev.lock"] = project["dependencies"] + project["optional-dependencies"]["dev"]
    for lock, lines in asked.items():
        pinned = pins(lock)
        for requirement in map(Requirement, lines):
            pin = pinned[canonicalize_name(requirement.name)]
            version = str(pin.specifier).removeprefix("==")
            assert requirement.specifier.contains(version), f"{lock}: {pin} is not {requirement}: make lock"


def test_both_locks_of_the_one_environment_agree() -> None:
    small, large = pins("headwater.lock"), pins("headwater-dev.lock")
    assert {name: str(pin) for name, pin in small.items()}.items() <= {
        name: str(pin) for name, pin in large.items()
    }.items()


def test_every_target_of_the_makefile_is_explained() -> None:
    told = run("make", "help").stdout
    for target in ("demo", "test", "lint", "bench", "clean"):
        assert re.search(rf"^  make {target} +\w", told, re.MULTILINE), told
