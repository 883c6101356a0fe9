"""Scores by length as inline SVG, a small chart a kind: before the stage faint, after it strong."""

from collections.abc import Sequence
from xml.etree import ElementTree

import pygal

from training.by_length.scores import KINDS, SHARES, LengthScore
from training.charts import SMALL, Chart, Plot, is_overlay
from training.svg import clean, describe


def share(value: float) -> str:
    return f"{100 * value:.0f} %"


def nats(value: float) -> str:
    return f"{value:.2f}"


PLOTS = {
    plot.metric: plot
    for plot in (
        Plot("needle", "Needles", "Numbers given once between passages, recalled at the end.", share),
        Plot("count", "Counts", "How often a word occurs in a list of words.", share),
        Plot("copy", "Copies", "Tokens of the first passage that are right when it comes again.", share),
        Plot("loss", "Loss", "Nats a token in the second half of the length: lower is better.", nats),
    )
}


def length_charts(scores: Sequence[LengthScore]) -> list[Chart]:
    """A chart of every kind that was measured at two lengths or more, with the change at the longest."""
    kinds = ([one for one in scores if one.kind == kind] for kind in KINDS)
    return [chart_of(PLOTS[points[0].kind], points) for points in kinds if len(points) > 1]


def chart_of(plot: Plot, points: Sequence[LengthScore]) -> Chart:
    svg = draw(plot, points).render_tree()
    clean(svg, is_dropped=is_overlay)
    describe(svg, title=f"{plot.title} by length", text=in_words(plot, points))
    return Chart(plot, ElementTree.tostring(svg, encoding="unicode"), change(plot, points[-1]))


def draw(plot: Plot, points: Sequence[LengthScore]) -> pygal.Line:
    width, height = SMALL
    chart = pygal.Line(
        js=[],
        css=[],
        width=width,
        height=height,
        margin=4,
        margin_right=24,
        classes=("chart",),
        show_dots=False,
        show_legend=False,
        min_scale=3,
        max_scale=4,
        value_formatter=plot.written,
        **({"range": (0, 1)} if plot.metric in SHARES else {}),
    )
    chart.x_labels = [f"{point.tokens:,}" for point in points]
    chart.add("before", [point.before for point in points])
    chart.add("after", [point.after for point in points])
    return chart


def change(plot: Plot, point: LengthScore) -> str:
    """`2 % → 41 %`, or what there is of it."""
    before = "" if point.before is None else f"{plot.written(point.before)} → "
    return before + plot.written(point.after)


def in_words(plot: Plot, points: Sequence[LengthScore]) -> str:
    """What the curves say, for those who do not see them."""
    return "; ".join(f"{point.tokens:,} tokens: {change(plot, point)}" for point in points)
