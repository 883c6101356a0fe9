"""Scores by length for docs: a table in Markdown, and a picture of the shares."""

from collections.abc import Sequence

import pygal

from training.by_length.charts import PLOTS, change
from training.by_length.scores import KINDS, SHARES, LengthScore
from training.svg import standing_alone

FAINT = {"width": 2, "dasharray": "4, 4"}


def length_lines(scores: Sequence[LengthScore]) -> list[str]:
    """A line a length, a column a kind, each before and after."""
    kinds = [kind for kind in KINDS if any(one.kind == kind for one in scores)]
    lines = [["tokens", *kinds], ["---"] * (1 + len(kinds))]
    for tokens in sorted({one.tokens for one in scores}):
        found = {one.kind: one for one in scores if one.tokens == tokens}
        cells = (change(PLOTS[kind], found[kind]) if kind in found else "" for kind in kinds)
        lines.append([f"{tokens:,}", *cells])
    return [f"| {' | '.join(cells)} |" for cells in lines]


def length_picture(scores: Sequence[LengthScore]) -> bytes:
    """An SVG that stands alone: the shares by length, a curve a kind; broken lines are those before."""
    lengths = sorted({one.tokens for one in scores})
    chart = pygal.Line(
        js=[],
        width=720,
        height=360,
        range=(0, 1),
        x_title="tokens",
        legend_at_bottom=True,
        value_formatter=lambda share: f"{100 * share:.0f} %",
    )
    chart.x_labels = [f"{tokens:,}" for tokens in lengths]
    for kind in SHARES:
        found = {one.tokens: one for one in scores if one.kind == kind}
        rows = [found.get(tokens) for tokens in lengths]
        chart.add(kind, [row and row.after for row in rows])
        chart.add(f"{kind}, before", [row and row.before for row in rows], stroke_style=FAINT)
    return standing_alone(chart.render_tree())
