"""Loss curves as inline SVG that the site's stylesheet colours: no inline style and no script, so the
content-security policy holds. Raw points are `.serie-0`, the smoothed curve `.serie-1`."""

import math
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pygal

from training.journal import Series

WIDTH, HEIGHT = 640, 260
FORBIDDEN = {"defs", "style", "script", "title"}
# Without pygal's own stylesheet its labels need their anchors, and its lines no filling, as attributes.
ATTRIBUTES = {
    "axis x": {"text-anchor": "middle"},
    "axis y": {"text-anchor": "end"},
    "nofill": {"fill": "none"},
}


def loss_chart(series: Series, *, title: str = "Loss") -> str:
    """The loss by step as an <svg role="img"> with title and description; empty text before two points."""
    points = [p for p in zip(series.steps, series.loss, strict=True) if math.isfinite(p[1])]
    if len(points) < 2:
        return ""
    svg = draw(points).render_tree()
    clean(svg)
    describe(svg, title, points)
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


def clean(svg: Element) -> None:
    """Takes out pygal's style, script, tooltips and comments, and adds what they gave as attributes."""
    for parent in list(svg.iter()):
        for child in list(parent):
            if is_unwanted(child):
                parent.remove(child)
        classes = parent.get("class", "")
        for name, attributes in ATTRIBUTES.items():
            if classes.startswith(name) or name in classes.split():
                parent.attrib.update(attributes)
        parent.attrib.pop("style", None)
    svg.attrib.pop("id", None)


def is_unwanted(element: Element) -> bool:
    if not isinstance(element.tag, str):
        return True
    return element.tag in FORBIDDEN or "overlay" in element.get("class", "")


def describe(svg: Element, title: str, points: list[tuple[int, float]]) -> None:
    """Title and description for those who do not see the curve."""
    (first, first_loss), (last, last_loss) = points[0], points[-1]
    text = f"From {first_loss:.3f} at step {first:,} to {last_loss:.3f} at step {last:,}."
    svg.set("role", "img")
    for place, (tag, content) in enumerate([("title", title), ("desc", text)]):
        element = Element(tag)
        element.text = content
        svg.insert(place, element)
