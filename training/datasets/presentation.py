"""A data set as its page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracing.core.errors import TracingError
from training.core.chat import Turn
from training.core.datasets.limits import PROBLEMS_LISTED
from training.core.datasets.problems import KINDS
from training.core.datasets.rows import ChatRow, PreferenceRow, PromptRow, Row
from training.core.errors import TrainingError
from training.datasets.estimating import estimate_dataset
from training.datasets.models import Dataset
from training.datasets.services import preview_rows
from training.models import Checkpoint

PREVIEW_ROWS = 5
CHARACTERS_SHOWN = 4000


@dataclass(frozen=True)
class Bin:
    """Documents of some length, and their share of the fullest bin in per cent."""

    low: int
    high: int
    documents: int
    percent: float


@dataclass(frozen=True)
class Part:
    """A conversation, or an end of one, under a heading."""

    heading: str
    turns: Sequence[Turn]


@dataclass(frozen=True)
class ShownRow:
    """A row of the preview."""

    line: int
    parts: Sequence[Part]
    rewarded: str = ""


def problem_counts(dataset: Dataset) -> list[tuple[str, int]]:
    """Kinds of problems in words, the most frequent first."""
    counts = dataset.report.get("problems", {}).get("counts", {})
    return [(KINDS.get(kind, kind), n) for kind, n in sorted(counts.items(), key=lambda item: -item[1])]


def measure_of(dataset: Dataset, checkpoint: Checkpoint | None) -> dict[str, Any] | None:
    """What was counted in a checkpoint's tokens, with its histogram and estimate; None before that."""
    measured = dataset.report.get("measures", {}).get(checkpoint.name) if checkpoint else None
    if measured is None or "error" in measured or checkpoint is None:
        return measured
    shown = {**measured, "bins": bins_of(measured["histogram"])}
    shown["quantiles"] = [(f"{float(q):.0%}", tokens) for q, tokens in measured["quantiles"].items()]
    try:
        work, cut, estimate = estimate_dataset(dataset=dataset, checkpoint=checkpoint)
    except (TrainingError, TracingError) as error:
        return shown | {"no_estimate": str(error)}
    return shown | {"work": work, "cut": cut, "estimate": estimate}


def bins_of(histogram: list[list[int]]) -> list[Bin]:
    fullest = max((count for _, _, count in histogram), default=1)
    return [Bin(low, high, count, round(100 * count / fullest, 2)) for low, high, count in histogram]


def preview(dataset: Dataset, start: int) -> list[ShownRow]:
    """Some rows as they are read, from the `start`-th good one on; none where the file is gone."""
    if not dataset.rows:
        return []
    try:
        return [shown_row(line, row) for line, row in preview_rows(dataset, start, PREVIEW_ROWS)]
    except TrainingError:
        return []


def shown_row(line: int, row: Row) -> ShownRow:
    match row:
        case ChatRow(turns):
            return ShownRow(line, [Part("", cut(turns))])
        case PreferenceRow(prompt, chosen, rejected):
            parts = [Part("", cut(prompt)), Part("Preferred", cut(chosen)), Part("Rejected", cut(rejected))]
            return ShownRow(line, parts)
        case PromptRow(turns, verifier, reference):
            return ShownRow(line, [Part("", cut(turns))], f"{verifier}: {reference}"[:CHARACTERS_SHOWN])


def cut(turns: Sequence[Turn]) -> list[Turn]:
    """The turns, long ones up to what a page shows."""
    return [
        turn
        if len(turn.content) <= CHARACTERS_SHOWN
        else Turn(turn.role, f"{turn.content[:CHARACTERS_SHOWN]}…", turn.learned)
        for turn in turns
    ]


def unlisted(dataset: Dataset) -> int:
    """Problems that are counted but not listed."""
    return max(0, sum(n for _, n in problem_counts(dataset)) - PROBLEMS_LISTED)
