"""Loss curves as inline SVG that the site's stylesheet colours: raw points are `.serie-0`, the smoothed curve
`.serie-1`."""

import math
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pygal

from training.journal import Series
from training.svg import clean, describe

WIDTH, HEIGHT = 640, 260


def loss_chart(series: Series, *, title: str = "Loss") -> str:
    """The loss by step as an <svg role="img"> with title and description; empty text before two points."""
    points = [p for p in zip(series.steps, series.loss, strict=True) if math.isfinite(p[1])]
    if len(points) < 2:
        return ""
    svg = draw(points).render_tree()
    clean(svg, is_dropped=is_overlay)
    describe(svg, title=title, text=in_words(points))
    return ElementTree.tostring(svg, encoding="unicode")


def draw(points: list[tuple[int, float]]) -> pygal.XY:
    chart = pygal.XY(
        js=[],
        css=[],
        width=WIDTH,
        height=HEIGHT,
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
    chart.add("loss", points)
    chart.add("smoothed loss", smooth(points))
    return chart


def smooth(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """The mean around each point, over about a twenty-fifth of them, fewer near the ends: it does not lag."""
    smoothed, widest = [], len(points) // 50
    for place, (step, _) in enumerate(points):
        reach = min(widest, place, len(points) - 1 - place)
        window = points[place - reach : place + reach + 1]
        smoothed.append((step, sum(loss for _, loss in window) / len(window)))
    return smoothed


def is_overlay(element: Element) -> bool:
    """Where pygal's script would show its tooltips."""
    return "overlay" in element.get("class", "")


def in_words(points: list[tuple[int, float]]) -> str:
    """What the curve says, for those who do not see it."""
    (first, first_loss), (last, last_loss) = points[0], points[-1]
    return f"From {first_loss:.3f} at step {first:,} to {last_loss:.3f} at step {last:,}."
