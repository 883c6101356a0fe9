"""Every tracing benchmark runs through on tiny stores, infini-gram's engine included."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that keeps the stores of all runs."""
    return tmp_path_factory.mktemp("stores")


def run(name: str, stores: Path, results: Path, *arguments: str) -> list[dict[str, Any]]:
    """The rows that a benchmark keeps."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--directory", str(stores), *arguments]
    command += ["--results", str(results)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [kept] = results.glob(f"*-{name}.md")
    return list(json.loads(kept.read_text().split("```json")[1].split("```")[0])["rows"])


def test_traces_are_measured_beside_infini_gram_and_found_equal(stores: Path, tmp_path: Path) -> None:
    options = ("--tokens", "20000", "--texts", "2", "--seconds", "0.1")
    rows = run("trace", stores, tmp_path, *options)
    compared = [row["same spans"] for row in rows if "same spans" in row]
    assert compared == [True] * 15
    assert all("times ours" in row for row in rows if "infini" in row["what"])


def test_the_sweep_compares_sizes_and_numbers_of_stores(stores: Path, tmp_path: Path) -> None:
    rows = run("sweep", stores, tmp_path, "--tokens", "20000", "40000", "--small", "16000", "--texts", "2")
    assert [row["where"] for row in rows[::2]] == [
        *("20,000 tokens", "40,000 tokens"),
        *("1 of 16,000 tokens", "4 of 4,000 tokens", "8 of 2,000 tokens"),
    ]


def test_cold_traces_read_blocks_and_have_a_floor(stores: Path, tmp_path: Path) -> None:
    quotations, new_text = run("cold", stores, tmp_path, "--tokens", "20000", "--texts", "1")
    assert min(quotations["blocks"], quotations["pages"]) > 0
    assert new_text["blocks"] >= 0  # of so small a store the heads in memory can answer for all of it
    assert min(quotations["floor, ms"], new_text["floor, ms"]) > 0


def test_spans_of_a_streamed_answer_are_timed_up_to_the_page(stores: Path, tmp_path: Path) -> None:
    rows = run(
        "live", stores, tmp_path, "--tokens", "20000", "--answers", "1", "--long", "50", "--size", "60"
    )
    assert [row["what"].split(" at ")[0] for row in rows] == [
        *("CPU a token of an answer", "CPU a token of a long answer"),
        *["delay to the page"] * 2,
    ]
    assert all(0 < row["largest"] < float("inf") for row in rows)
