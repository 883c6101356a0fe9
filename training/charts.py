"""A job's metrics as inline SVG that the site's stylesheet colours: raw points are `.serie-0`, the smoothed
curve `.serie-1`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pygal

from training.journal import Series
from training.svg import clean, describe
from training.templatetags.measures import compact

WIDE, SMALL = (640, 260), (400, 210)


def plain(value: float) -> str:
    return f"{value:.3g}"


def percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def gibibytes(value: float) -> str:
    return f"{value / 2**30:.3g} GiB"


@dataclass(frozen=True)
class Plot:
    """How a metric is shown: its title, what it means, how its values are written."""

    metric: str
    title: str
    meaning: str
    written: Callable[[float], str] = plain


PLOTS = (
    Plot("loss", "Loss", "How surprised the model is by the tokens that it is to learn: lower is better."),
    Plot(
        "validation_loss",
        "Validation loss",
        "Of rows that it never learns. Where it rises, stop.",
    ),
    Plot("reward", "Reward", "Mean reward of the answers that were tried.", percent),
    Plot("accuracy", "Preference accuracy", "Pairs whose chosen answer has gained on the other.", percent),
    Plot("margin", "Preference margin", "How far the chosen answers are ahead, times beta."),
    Plot("kept", "Groups with a signal", "Of those asked for, the share whose answers differ.", percent),
    Plot("answer_tokens", "Tokens an answer", "Mean length of the answers that were tried."),
    Plot("staleness", "Staleness", "Steps by which the weights that answered were behind."),
    Plot("learning_rate", "Learning rate", "How far each step goes: warms up, then falls."),
    Plot("gradient_norm", "Gradient norm", "Before clipping. Spikes come before divergence."),
    Plot("tokens_per_s", "Tokens a second", "Read by the step, padding included.", compact),
    Plot("mfu", "MFU", "Share of the processor's peak that goes into the model.", percent),
    Plot("memory_bytes", "Memory", "Highest use so far.", gibibytes),
)
LOSS, REWARD = PLOTS[0], PLOTS[2]


@dataclass(frozen=True)
class Chart:
    """A plot of a job, drawn, and what it reads now."""

    plot: Plot
    svg: str
    now: str


def job_charts(series: Series) -> list[Chart]:
    """A small chart of every metric that the job has two points of, in the order of PLOTS."""
    latest = series.latest()
    drawn = ((plot, metric_chart(series, plot, size=SMALL)) for plot in PLOTS)
    return [
        Chart(plot, svg, plot.written(latest[plot.metric]) if plot.metric in latest else "")
        for plot, svg in drawn
        if svg
    ]


def main_chart(series: Series) -> Chart | None:
    """What people look at first, drawn wide: the reward of a job that tries answers, else the loss."""
    latest = series.latest()
    for plot in (REWARD, LOSS):
        if svg := metric_chart(series, plot, size=WIDE):
            return Chart(plot, svg, plot.written(latest[plot.metric]) if plot.metric in latest else "")
    return None


def loss_chart(series: Series, *, title: str = "Loss") -> str:
    """The loss by step as an <svg role="img"> with title and description; empty text before two points."""
    return metric_chart(series, LOSS, title=title, size=WIDE)


def metric_chart(series: Series, plot: Plot, *, size: tuple[int, int], title: str = "") -> str:
    """A metric by step as an <svg role="img"> with title and description; empty text before two points."""
    values = series.of(plot.metric)
    points = [point for point in zip(series.steps, values, strict=False) if math.isfinite(point[1])]
    if len(points) < 2:
        return ""
    svg = draw(points, plot, size).render_tree()
    clean(svg, is_dropped=is_overlay)
    describe(svg, title=title or plot.title, text=in_words(points))
    return ElementTree.tostring(svg, encoding="unicode")


def draw(points: list[tuple[int, float]], plot: Plot, size: tuple[int, int]) -> pygal.XY:
    width, height = size
    chart = pygal.XY(
        js=[],
        css=[],
        width=width,
        height=height,
        margin=4,
        classes=("chart",),
        show_dots=False,
        show_legend=False,
        min_scale=3,
        max_scale=6 if size == WIDE else 4,
        x_title="step" if size == WIDE else None,
        y_title=plot.title.lower() if size == WIDE else None,
        x_value_formatter=lambda step: f"{step:,.0f}",
        value_formatter=plot.written,
    )
    chart.add(plot.metric, points)
    chart.add(f"smoothed {plot.metric}", smooth(points))
    return chart


def smooth(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """The mean around each point, over about a twenty-fifth of them, fewer near the ends: it does not lag."""
    smoothed, widest = [], len(points) // 50
    for place, (step, _) in enumerate(points):
        reach = min(widest, place, len(points) - 1 - place)
        window = points[place - reach : place + reach + 1]
        smoothed.append((step, sum(value for _, value in window) / len(window)))
    return smoothed


def is_overlay(element: Element) -> bool:
    """Where pygal's script would show its tooltips."""
    return "overlay" in element.get("class", "")


def in_words(points: list[tuple[int, float]]) -> str:
    """What the curve says, for those who do not see it."""
    (first, start), (last, end) = points[0], points[-1]
    return f"From {start:.3g} at step {first:,} to {end:.3g} at step {last:,}."
