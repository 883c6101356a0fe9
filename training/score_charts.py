"""Scores along a flow as inline SVG that the site's stylesheet colours, with bars of one standard error."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pygal

from training.charts import ATTRIBUTES, FORBIDDEN

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
    clean(svg, tilted=is_tilted(labels))
    describe(svg, labels, curves)
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


def clean(svg: Element, *, tilted: bool) -> None:
    """Takes out pygal's style, script, tooltips and comments; the dots and bars stay."""
    wanted = ATTRIBUTES | ({"axis x": {"text-anchor": "start"}} if tilted else {})
    for parent in list(svg.iter()):
        for child in list(parent):
            if is_unwanted(child):
                parent.remove(child)
        classes = parent.get("class", "")
        for name, attributes in wanted.items():
            if classes.startswith(name) or name in classes.split():
                parent.attrib.update(attributes)
        parent.attrib.pop("style", None)
    svg.attrib.pop("id", None)


def is_unwanted(element: Element) -> bool:
    if not isinstance(element.tag, str):
        return True
    return element.tag in FORBIDDEN | {"desc"} or element.get("class", "").endswith(DROPPED)


def describe(svg: Element, labels: Sequence[str], curves: Sequence[Curve]) -> None:
    """Title and description for those who do not see the curves."""
    parts = [
        f"{label}: " + ", ".join(f"{c.name} {c.points[place][0]:.0%}" for c in curves if c.points[place])
        for place, label in enumerate(labels)
    ]
    svg.set("role", "img")
    for place, (tag, content) in enumerate([("title", "Scores by checkpoint"), ("desc", "; ".join(parts))]):
        element = Element(tag)
        element.text = content
        svg.insert(place, element)
