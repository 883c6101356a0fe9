"""`manage.py doctor` says what is there, what is missing and what to do, and keeps secrets."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from config import environment


@pytest.mark.django_db
@pytest.mark.usefixtures("redis_server")
def test_a_ready_site_is_called_ready_and_every_setting_is_listed() -> None:
    output = StringIO()
    call_command("doctor", stdout=output)
    said = output.getvalue()
    assert all(setting.name in said for setting in environment.ALL)
    for part in ("Python", "Data directory", "Database", "Redis", "Corpus search"):
        assert any(line.strip().startswith(f"ok  {part}:") for line in said.splitlines()), said


def doctor(**changed: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "COLUMNS": "200", **changed}
    command = [sys.executable, "manage.py", "doctor"]
    return subprocess.run(
        command, cwd=settings.BASE_DIR, env=environ, capture_output=True, text=True, check=False
    )


def test_what_is_missing_comes_with_what_to_do_and_no_secret(tmp_path: Path) -> None:
    told = doctor(
        HEADWATER_HOME=str(tmp_path / "home"),
        SECRET_KEY="do-not-show-this",
        REDIS_URL="redis://:hunter2@127.0.0.1:1/0",
        HEADWATER_ENGINE_PYTHON=str(tmp_path / "no-python"),
    )
    assert told.returncode == 1
    assert "missing  Redis: 127.0.0.1:1/0" in told.stdout
    assert "note  Engine's Python" in told.stdout
    assert "run `make engine`" in told.stdout
    assert "Not ready:" in told.stderr
    both = told.stdout + told.stderr
    assert "hunter2" not in both
    assert "do-not-show-this" not in both
    assert "Traceback" not in both


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told = doctor(HEADWATER_HOME=str(tmp_path / "file"))
    assert told.returncode == 1
    assert f"missing  Data directory: {tmp_path / 'file'}" in told.stdout
    assert "HEADWATER_HOME" in told.stdout


def test_a_search_server_that_is_away_is_noted_without_its_password(tmp_path: Path) -> None:
    told = doctor(HEADWATER_HOME=str(tmp_path), ELASTICSEARCH_URL="http://headwater:hunter2@127.0.0.1:1")
    assert "note  Corpus search: Elasticsearch" in told.stdout
    assert "Elasticsearch at http://127.0.0.1:1 does not answer" in told.stdout
    assert "hunter2" not in told.stdout + told.stderr
