"""Active sampling against plain GRPO: answers sampled until a mean reward was first reached.

`python -m benchmarks.active_sampling --active JOB_DIR ... --plain JOB_DIR ...` reads the metrics of finished
jobs that differ in `active` and `seed` alone. It trains nothing itself, so `make bench` leaves it out.
"""

import argparse
import json
import math
from pathlib import Path

from benchmarks import machine

Curve = list[tuple[float, float]]

LEVEL_STEP = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--active", type=Path, nargs="+", required=True)
    parser.add_argument("--plain", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    arms = {"active": options.active, "plain": options.plain}
    curves = {name: [curve_of(folder) for folder in folders] for name, folders in arms.items()}
    lines = ["# Active sampling against plain GRPO", machine.describe(), ""]
    lines += [
        "| mean reward of ten steps | active, answers by seed | plain, answers by seed |",
        "|---|---|---|",
    ]
    for level in levels_of([curve for found in curves.values() for curve in found]):
        cells = [", ".join(first_reached(curve, level) for curve in curves[name]) for name in arms]
        lines.append(f"| {level:.2f} | {cells[0]} | {cells[1]} |")
    lines += ["", *(f"- {name}: {ends(curves[name])}" for name in arms)]
    text = "\n".join(lines) + "\n"
    print(text)
    print(f"Kept in {machine.keep('active-sampling', text)}")
    return 0


def curve_of(folder: Path) -> Curve:
    """(answers sampled so far, mean reward since the point before) of a job."""
    answers = json.loads((folder / "config.json").read_text())["recipe"]["answers"]
    points, before, sampled = list[tuple[float, float]](), 0, 0.0
    for line in (folder / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["type"] == "metric":
            sampled += (event["step"] - before) * event["asked"] * answers
            before = event["step"]
            points.append((sampled, event["reward"]))
    return points


def levels_of(curves: list[Curve]) -> list[float]:
    """From what every run was above at its start to the best that any reached."""
    first = max(curve[0][1] for curve in curves)
    best = max(reward for curve in curves for _, reward in curve)
    steps = range(math.ceil(first / LEVEL_STEP), math.floor(best / LEVEL_STEP) + 1)
    return [step * LEVEL_STEP for step in steps]


def first_reached(curve: Curve, level: float) -> str:
    return next((f"{sampled:,.0f}" for sampled, reward in curve if reward >= level), "never")


def ends(curves: list[Curve]) -> str:
    told = (f"{curve[-1][1]:.3f} after {curve[-1][0]:,.0f} answers" for curve in curves)
    return f"last mean reward by seed {'; '.join(told)}"


if __name__ == "__main__":
    raise SystemExit(main())
