"""Evaluations as rows: for the terminal, for programs, and in words for both and the page."""

from typing import Any

from rich.table import Table

from training.models import Evaluation
from training.terminal import duration

ERROR = "_error"


def row_of(evaluation: Evaluation) -> dict[str, Any]:
    """What `evaluate --json` prints of one."""
    contamination = {name: value for name, value in evaluation.contamination.items() if name != "findings"}
    return {
        "checkpoint": evaluation.checkpoint.name,
        "stage": evaluation.checkpoint.stage,
        "step": evaluation.checkpoint.step,
        "task": evaluation.task,
        "digest": evaluation.digest,
        "items": evaluation.items,
        "settings": evaluation.settings,
        "scores": evaluation.scores,
        "contamination": contamination,
        "unprotected": evaluation.unprotected,
        "seconds": evaluation.seconds,
        "created_at": evaluation.created_at.isoformat(timespec="seconds"),
    }


def evaluation_table(evaluations: list[Evaluation]) -> Table:
    """One row a checkpoint."""
    names = score_names(evaluations)
    table = Table(box=None, pad_edge=False)
    for heading in ("checkpoint", *names, "of its questions in its data", "took"):
        table.add_column(heading, header_style="dim")
    for one in evaluations:
        scores = [score_words(one.scores, name) for name in names]
        table.add_row(one.checkpoint.name, *scores, badge_words(one), duration(one.seconds))
    return table


def score_names(evaluations: list[Evaluation]) -> list[str]:
    """Every score that one of them has, in order, without the errors."""
    names = dict.fromkeys(name for one in evaluations for name in one.scores)
    return [name for name in names if not name.endswith(ERROR)]


def score_words(scores: dict[str, float], name: str) -> str:
    """`0.873 ± 0.019`; a dash for what was not measured."""
    if name not in scores:
        return "–"
    error = scores.get(name + ERROR)
    return f"{scores[name]:.3g}" if error is None else f"{scores[name]:.3f} ± {error:.3f}"


def badge_words(evaluation: Evaluation) -> str:
    """`0 of 300 occur`, `12 of 300 (4 %) occur, 3 whole`; what cannot be said, said."""
    found = evaluation.contamination
    if not found:
        return "its data is not known"
    if not found["found"]:
        return f"0 of {found['items']:,} occur"
    share = f"{100 * found['found'] / found['items']:.2g} %"
    at_least = "at least " if found["partly_listed"] else ""
    return f"{at_least}{found['found']:,} of {found['items']:,} ({share}) occur, {found['exact']:,} whole"
