"""Bars of use by day, as coordinates for an SVG: no script, no inline style."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.usage.sums import Line

WIDTH, HEIGHT, GAP = 600, 80, 1


@dataclass(frozen=True)
class Bar:
    """One day; `title` is read out and shown on pointing."""

    x: float
    y: float
    width: float
    height: float
    title: str


def bars_of(days: Sequence[Line]) -> list[Bar]:
    """Tokens by day, the highest as high as the chart; none where nothing was used."""
    highest = max((day.tokens for day in days), default=0)
    if not highest:
        return []
    step = WIDTH / len(days)
    return [
        bar_of(day, number * step, step - GAP, day.tokens / highest * HEIGHT)
        for number, day in enumerate(days)
    ]


def bar_of(day: Line, x: float, width: float, height: float) -> Bar:
    title = f"{day.label}: {day.tokens:,} tokens, {day.requests:,} requests"
    return Bar(round(x, 1), round(HEIGHT - height, 1), round(width, 1), round(height, 1), title)
