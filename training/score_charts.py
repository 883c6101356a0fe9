"""Scores along a flow as inline SVG that the site's stylesheet colours, with bars of one standard error."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pygal

from training.svg import ATTRIBUTES, clean, describe

WIDTH, HEIGHT = 720, 300
TILTED_FROM = 7
"""Labels that do not fit beside each other stand at an angle."""
DROPPED = ("text overlay", "tooltip overlay")


@dataclass(frozen=True)
class Curve:
    """A score by checkpoint: value and standard error of each, None where it was not measured."""

    name: str
    points: Sequence[tuple[float, float] | None]


def score_chart(labels: Sequence[str], curves: Sequence[Curve]) -> str:
    """Curves over the checkpoints as an <svg role="img"> with title and description, all from 0 to 1; empty
    text where there is nothing to draw."""
    if not labels or not any(point for curve in curves for point in curve.points):
        return ""
    svg = draw(labels, curves).render_tree()
    anchors = {"axis x": {"text-anchor": "start"}} if is_tilted(labels) else {}
    clean(svg, is_dropped=is_dropped, attributes={**ATTRIBUTES, **anchors})
    describe(svg, title="Scores by checkpoint", text=in_words(labels, curves))
    return ElementTree.tostring(svg, encoding="unicode")


def draw(labels: Sequence[str], curves: Sequence[Curve]) -> pygal.Line:
    chart = pygal.Line(
        js=[],
        css=[],
        width=WIDTH,
        height=HEIGHT,
        margin=8,
        margin_right=40,
        classes=("chart",),
        dots_size=3.5,
        show_legend=False,
        range=(0, 1),
        min_scale=4,
        max_scale=6,
        x_label_rotation=20 if is_tilted(labels) else 0,
        value_formatter=lambda share: f"{100 * share:.0f} %",
    )
    chart.x_labels = list(labels)
    for curve in curves:
        chart.add(curve.name, [bar(point) for point in curve.points])
    return chart


def is_tilted(labels: Sequence[str]) -> bool:
    return len(labels) >= TILTED_FROM


def bar(point: tuple[float, float] | None) -> dict[str, object] | None:
    """A point with the ends of its bar, inside the chart."""
    if point is None:
        return None
    value, error = point
    ends = {"low": max(0.0, value - error), "high": min(1.0, value + error)}
    return {"value": value, "ci": ends}


def is_dropped(element: Element) -> bool:
    """pygal's descriptions and tooltips; the dots and bars stay."""
    return element.tag == "desc" or element.get("class", "").endswith(DROPPED)


def in_words(labels: Sequence[str], curves: Sequence[Curve]) -> str:
    """What the curves say, for those who do not see them."""
    parts = [
        f"{label}: " + ", ".join(f"{c.name} {c.points[place][0]:.0%}" for c in curves if c.points[place])
        for place, label in enumerate(labels)
    ]
    return "; ".join(parts)
