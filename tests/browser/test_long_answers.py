"""A page of words a second: nothing that is there already moves, and the page follows to the end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def figures_of(shape: str, results: Path) -> dict[str, float]:
    """What a browser measured while an answer of several screens was written into its page."""
    command = [sys.executable, "-m", "benchmarks.smoothness", "--messages", "2", "--tokens", "2500"]
    command += ["--pace", "500", "--shape", shape, "--results", str(results)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [kept] = results.glob("*-smoothness.md")
    rows = json.loads(kept.read_text().split("```json")[1].split("```")[0])["rows"]
    return {row["what"]: row["median"] for row in rows}


@pytest.mark.parametrize("shape", ["mixed", "code"])
def test_a_fast_long_answer_is_followed_to_its_end_and_nothing_moves(shape: str, tmp_path: Path) -> None:
    figures = figures_of(shape, tmp_path)
    assert figures["characters shown in the end"] > 8000
    assert figures["below the window in the end, px"] < 2
    assert figures["layout shift"] == 0
