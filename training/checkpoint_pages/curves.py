"""Loss curves of two checkpoints over each other, as inline SVG that the stylesheet colours."""

import math
from collections.abc import Sequence
from xml.etree import ElementTree

import pygal

from training.charts import WIDE, is_overlay, smooth
from training.journal import read_metrics
from training.models import Checkpoint
from training.svg import clean, describe

Points = list[tuple[int, float]]


def losses_of(checkpoint: Checkpoint) -> Points:
    """The smoothed loss of its stage up to its own step; empty where its job left no curve."""
    if checkpoint.job is None:
        return []
    series = read_metrics(checkpoint.job)
    pairs = zip(series.steps, series.loss, strict=False)
    return smooth([(s, loss) for s, loss in pairs if s <= checkpoint.step and math.isfinite(loss)])


def losses_together(checkpoints: Sequence[Checkpoint]) -> str:
    """An <svg role="img"> with a curve each; empty text where there are none."""
    curves = [(checkpoint.name, losses_of(checkpoint)) for checkpoint in checkpoints]
    if not any(len(points) > 1 for _, points in curves):
        return ""
    svg = draw(curves).render_tree()
    clean(svg, is_dropped=is_overlay)
    describe(svg, title="Loss by step", text="; ".join(in_words(name, points) for name, points in curves))
    return ElementTree.tostring(svg, encoding="unicode")


def draw(curves: Sequence[tuple[str, Points]]) -> pygal.XY:
    chart = pygal.XY(
        js=[],
        css=[],
        width=WIDE[0],
        height=WIDE[1],
        margin=4,
        classes=("chart",),
        show_dots=False,
        show_legend=False,
        min_scale=3,
        max_scale=6,
        x_title="step",
        y_title="loss",
        x_value_formatter=lambda step: f"{step:,.0f}",
        value_formatter=lambda loss: f"{loss:.3g}",
    )
    for name, points in curves:
        chart.add(name, points)
    return chart


def in_words(name: str, points: Points) -> str:
    if not points:
        return f"{name} has no curve"
    (first, first_loss), (last, last_loss) = points[0], points[-1]
    return f"{name} from {first_loss:.3f} at step {first:,} to {last_loss:.3f} at step {last:,}"
