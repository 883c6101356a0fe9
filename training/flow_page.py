"""A flow's figures as a page for docs: the table in Markdown, and a curve of rewards beside it."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

import pygal
from django.utils.text import slugify

from training.by_length.pages import length_lines, length_picture
from training.journal import read_metrics
from training.models import Flow
from training.report import SCORES, Row, flow_rows
from training.svg import standing_alone

HEADINGS = {
    "greedy": "greedy",
    "sampled": "sampled",
    "pairs": "pair accuracy",
    "mean_tokens": "answer tokens",
}
Curve = Sequence[tuple[float, float]]


def write_flow_page(flow: Flow, folder: Path) -> list[Path]:
    """Write NAME.md; NAME-rewards.svg where a stage was rewarded, NAME-STAGE-lengths.svg where one was
    measured by length. The paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    name, rows = slugify(flow.name), flow_rows(flow)
    lines = [f"# The flow {flow.name}", "", *table_lines(rows)]
    pictures: dict[Path, bytes] = {}
    if curves := reward_curves(flow):
        picture = folder / f"{name}-rewards.svg"
        pictures[picture] = reward_chart(curves)
        lines += ["", f"![Mean reward by answers sampled]({picture.name})"]
    for row in (row for row in rows if row.by_length):
        picture = folder / f"{name}-{row.stage}-lengths.svg"
        pictures[picture] = length_picture(row.by_length)
        lines += ["", f"## {row.stage}, by length", "", *length_lines(row.by_length)]
        lines += ["", f"![Scores by length]({picture.name})"]
    pages = {folder / f"{name}.md": ("\n".join(lines) + "\n").encode()} | pictures
    for path, content in pages.items():
        path.write_bytes(content)
    return list(pages)


def table_lines(rows: Sequence[Row]) -> list[str]:
    """A line a stage: each score with that of the checkpoint it started from, and CPU minutes."""
    heads = ["stage", "steps", *HEADINGS.values(), "CPU minutes"]
    lines = [row_line(heads), row_line(["---"] * len(heads))]
    for row in rows:
        scores = [change(row.start.get(name), row.scores.get(name), name) for name in SCORES]
        minutes = "" if row.cpu_s is None else f"{row.cpu_s / 60:.1f}"
        lines.append(row_line([row.stage, f"{row.step:,}", *scores, minutes]))
    return lines


def row_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def change(before: float | None, after: float | None, name: str) -> str:
    """`56.0 -> 97.3 %`, or what there is of it."""
    if after is None:
        return ""
    scale, unit = (1, "") if name == "mean_tokens" else (100, " %")
    start = "" if before is None else f"{scale * before:.1f} → "
    return f"{start}{scale * after:.1f}{unit}"


def reward_curves(flow: Flow) -> dict[str, Curve]:
    """Stage -> (answers sampled so far, mean reward), of the stages that were rewarded."""
    found: dict[str, Curve] = {}
    for job in flow.jobs.all():
        metrics = read_metrics(job)
        answers = int(job.config.get("answers", 0))
        points = rollouts_and_rewards(metrics.steps, metrics.of("asked"), metrics.of("reward"), answers)
        if points:
            found[job.stage] = points
    return found


def rollouts_and_rewards(
    steps: Sequence[int], asked: Sequence[float], rewards: Sequence[float], answers: int
) -> Curve:
    """Each line of metrics speaks of the steps since the one before; `asked` is of prompts a step."""
    points, before, sampled = list[tuple[float, float]](), 0, 0.0
    for step, prompts, reward in zip(steps, asked, rewards, strict=False):
        if isfinite(prompts) and isfinite(reward):
            sampled += (step - before) * prompts * answers
            points.append((sampled, reward))
        before = step
    return points


def reward_chart(curves: Mapping[str, Curve]) -> bytes:
    """An SVG that stands alone: mean reward by answers sampled, a curve a stage."""
    chart = pygal.XY(
        js=[],
        width=720,
        height=360,
        show_dots=False,
        range=(0, 1),
        x_title="answers sampled",
        y_title="mean reward",
        legend_at_bottom=True,
        x_value_formatter=lambda number: f"{number:,.0f}",
        value_formatter=lambda share: f"{100 * share:.0f} %",
    )
    for name, points in curves.items():
        chart.add(name, list(points))
    return standing_alone(chart.render_tree())
