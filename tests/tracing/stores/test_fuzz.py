"""Two thousand damaged stores: each question has the right answer or one clear error; no process ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tracing.support.damages import AT_REST, WHILE_OPEN

CASES = {"headwater": 2000, "infini-gram": 200}  # each of the latter starts processes of its own


@pytest.mark.parametrize("engine", CASES)
def test_no_damage_gives_a_wrong_span_or_a_signal(tmp_path: Path, engine: str) -> None:
    command = [sys.executable, "-m", "tests.tracing.support.damage", "--cases", str(CASES[engine])]
    command, log = [*command, "--engine", engine], tmp_path / "case"
    found = subprocess.run([*command, "--log", str(log)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"{found.returncode} in case {log.read_text()}: {found.stderr[-2000:]}"
    report = json.loads(found.stdout)
    assert report["faults"] == []
    assert sum(report["tried"].values()) == CASES[engine]
    assert set(report["tried"]) == {damage.__name__ for damage in (*AT_REST, *WHILE_OPEN)}
