"""The suite's tests of what is kept and raced for, on a real PostgreSQL."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

from tests.services.postgresql import programs, running_postgresql

ON_POSTGRESQL = (
    "tests/accounts",
    "tests/training/test_jobs.py",
    "tests/training/fine_tuning/test_steering.py",
    "tests/tracing/test_sharing.py",
    "tests/tracing/withholding/test_lookup.py",
    "tests/playground/test_chat_threads.py",
    "tests/playground/branching/test_branches.py",
    "tests/playground/history/test_services.py",
    "tests/playground/test_ratings.py",
    "tests/playground/test_shared_chats.py",
    "tests/playground/tools/test_calls.py",
)


def test_what_is_kept_and_raced_for_works_on_postgresql() -> None:
    directory = programs()
    if directory is None:
        pytest.skip("PostgreSQL is not installed: `make test` installs it where it may")
    with running_postgresql(directory) as url:
        environ = {**os.environ, "HEADWATER_TEST_DATABASE_URL": url}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *ON_POSTGRESQL]
        done = subprocess.run(
            command, cwd=settings.BASE_DIR, env=environ, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
