"""The shape of the code: who may import whom, what a core may know, where the environment is read."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parent.parent
APPS = ["accounts", "tracing", "training", "playground"]
"""Each may import those before it, and none after it."""
CORES = [app for app in APPS if (ROOT / app / "core").is_dir()]

BLOCK_DJANGO = """
import importlib, pkgutil, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"django", "celery", "config", "rest_framework"}:
            raise ImportError(f"a core may not import {name}")
sys.meta_path.insert(0, Blocked())
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
    print(module.name)
"""


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of the module"
            yield node.module or ""


@pytest.mark.parametrize("app", APPS)
def test_arrows_between_apps_go_one_way(app: str) -> None:
    allowed = {*APPS[: APPS.index(app) + 1]}
    for path in python_files(app):
        foreign = {module for module in imported_modules(path) if module.split(".")[0] in APPS}
        wrong = {module for module in foreign if module.split(".")[0] not in allowed}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}: {app} may only import {sorted(allowed)}"


def test_apps_reach_into_a_core_only_through_modules_that_exist() -> None:
    """The walk above sees every app; a renamed folder would otherwise pass unseen."""
    for app in APPS:
        assert len(python_files(app)) > 3, app


@pytest.mark.parametrize("app", CORES)
def test_a_core_imports_without_django(app: str) -> None:
    command = [sys.executable, "-c", BLOCK_DJANGO, f"{app}.core"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modules = [path for path in python_files(f"{app}/core") if path.name != "__init__.py"]
    assert len(done.stdout.split()) >= len(modules)


@pytest.mark.parametrize("app", CORES)
def test_a_core_imports_only_cores(app: str) -> None:
    for path in python_files(f"{app}/core"):
        for module in imported_modules(path):
            parts = module.split(".")
            if parts[0] in [*APPS, "config"]:
                assert parts[1:2] == ["core"], f"{path.relative_to(ROOT)} imports {module}"


def reads_environment(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "environb", "getenv", "putenv"}
    )


def test_the_environment_is_read_in_config_only() -> None:
    """Handing the environment on to a child process, with something added, is not reading it."""
    handed_on = re.compile(
        r"\*\*os\.environ|dict\(os\.environ\)|os\.environ \||os\.environ\[[^]]+\] = |os\.environ\.update\("
    )
    for path in python_files(*APPS):
        lines = path.read_text().splitlines()
        for node in ast.walk(syntax(path)):
            if reads_environment(node):
                line = lines[node.lineno - 1]
                assert handed_on.search(line), (
                    f"{path.relative_to(ROOT)}:{node.lineno}: declare a Setting in config/environment.py"
                )


def test_every_command_says_what_it_does() -> None:
    commands = {name: app for name, app in get_commands().items() if app in APPS}
    assert {"demo", "engines", "trace", "train", "flow_report", "doctor"} <= commands.keys()
    for name, app in commands.items():
        command = load_command_class(app, name)
        assert len(command.help) > 20, f"manage.py {name} has no help"
        parser = command.create_parser("manage.py", name)
        for action in parser._actions:
            assert action.help, f"manage.py {name}: {action.option_strings or action.dest} has no help"


def files_of_the_repository() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_package_host() -> None:
    """Install from wherever pip is told to; run from wherever the checkout is."""
    home_paths = re.compile(r"(?<![\w.])/(root|home/\w+|work|Users)/")
    package_hosts = re.compile("|".join([r"pypi\.org", r"pythonhosted", r"download\.pytorch", r"npmjs\.org"]))
    for path in files_of_the_repository():
        if path == Path(__file__).resolve() or path.suffix in {".png", ".ico"}:
            continue
        text = path.read_text(errors="replace")
        for pattern in (home_paths, package_hosts):
            found = pattern.search(text)
            assert not found, f"{path.relative_to(ROOT)} names {found and found.group()}"


def test_what_browsers_load_comes_from_here() -> None:
    """Pages work without the network and tell no third party who reads them."""
    external = re.compile(r"""(?:src|href|action)=["'](?:https?:)?//|url\(["']?(?:https?:)?//|@import""")
    pages = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("static/**/*.css")]
    assert len(pages) > 3
    for path in pages:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not external.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_static_files_are_ours_or_an_installed_package_s() -> None:
    """No copied libraries: third-party scripts come from a pinned package."""
    ours = {".css", ".js", ".svg", ".png", ".ico"}
    for path in (ROOT / "static").rglob("*"):
        if path.is_file():
            assert path.suffix in ours, f"{path.relative_to(ROOT)}: not a kind of file that we write"
            assert not re.search(r"[.-]min\.|jquery|bootstrap|htmx", path.name), f"{path.name}: a library"
