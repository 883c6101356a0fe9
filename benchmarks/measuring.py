"""Times of calls on one core, and how results are told: a Markdown table, and the same figures as JSON."""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine

Row = dict[str, Any]


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that all tracing benchmarks have."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--directory", help="where stores are kept; by default they are removed afterwards")
    options.add_argument("--results", type=Path, default=machine.RESULTS, help="where the result is kept")
    return options


def use_one_core() -> None:
    """Keep this process, and those it starts, on one core: the last one, where fewer others are."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def load() -> float:
    """How many processes wanted a core in the last minute."""
    return round(os.getloadavg()[0], 1)


def timed(function: Callable[[Any], object], inputs: Sequence[Any], *, rounds: int = 1) -> Row:
    """Milliseconds a call, one for each input: the fastest of `rounds`."""
    times = [[elapsed_ms(function, value) for value in inputs] for _ in range(rounds)]
    return summary([min(of_one) for of_one in zip(*times, strict=True)])


def elapsed_ms(function: Callable[[Any], object], value: Any) -> tuple[float, float]:
    """Wall time and processor time of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function(value)
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)


def summary(times_ms: Sequence[Sequence[float]]) -> Row:
    """Median and 95th percentile of the wall times, and the median of the processor times."""
    walls, cpus = (sorted(values) for values in zip(*times_ms, strict=True))
    figures = {
        "median": statistics.median(walls),
        "p95": walls[min(len(walls) - 1, int(0.95 * len(walls)))],
        "cpu_median": statistics.median(cpus),
    }
    return {**{name: round(value, 4) for name, value in figures.items()}, "n": len(times_ms)}


def table(rows: Sequence[Row]) -> list[str]:
    """Rows with the same names as a Markdown table."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return lines + [f"| {' | '.join(_shown(row.get(name, '')) for name in names)} |" for row in rows]


def keep(
    options: argparse.Namespace,
    name: str,
    title: str,
    notes: Sequence[str],
    rows: Sequence[Row],
    load_before: float,
) -> Path:
    """Print a result and write it beside the earlier ones; title, notes and table, then all as JSON."""
    place = f"{machine.describe()}; one core; load average {load_before} before."
    figures = json.dumps({"machine": place, "notes": list(notes), "rows": list(rows)}, indent=1)
    lines = [f"# {title}", place, *(f"\n{note}" for note in notes), "", *table(rows)]
    text = "\n".join([*lines, "", "```json", figures, "```", ""])
    print(text)
    path = machine.keep(name, text, options.results)
    print(f"Kept in {path}.")
    return path


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if type(value) is int else str(value)
