"""Small curves: a few values between 0 and 1 as a line without axes, for a template to draw."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN = 120, 28, 4


@dataclass(frozen=True)
class Sparkline:
    """`points` are pixels of a drawing of WIDTH by HEIGHT; `words` say what is drawn."""

    points: list[tuple[float, float]]
    words: str

    @property
    def line(self) -> str:
        """The points as an SVG polyline wants them."""
        return " ".join(f"{x},{y}" for x, y in self.points)

    @property
    def last(self) -> tuple[float, float]:
        return self.points[-1]


def sparkline(values: Sequence[float | None], words: str) -> Sparkline | None:
    """The curve of the values that are there, None where there are fewer than two."""
    there = [(place, min(1.0, max(0.0, v))) for place, v in enumerate(values) if v is not None]
    if len(there) < 2:
        return None
    stride = (WIDTH - 2 * MARGIN) / max(1, len(values) - 1)
    points = [
        (round(MARGIN + stride * place, 1), round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value, 1))
        for place, value in there
    ]
    told = ", ".join(f"{100 * value:.0f} %" for _, value in there)
    return Sparkline(points, f"{words}: {told}")
