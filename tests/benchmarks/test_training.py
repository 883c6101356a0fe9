"""The benchmark of training runs through on a shape that needs no GPU."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_step_on_one_device_is_measured_with_its_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.training", "--gpu", "--shape", "tiny"]
    done = subprocess.run(
        [*command, "--results", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (kept,) = tmp_path.glob("*-training-gpu.md")
    (row,) = json.loads(kept.read_text().split("```json")[1].split("```")[0])["rows"]
    assert row["layers"] == 8
    assert row["tokens/s"] > 0
    assert row["memory, GiB"] > 0
