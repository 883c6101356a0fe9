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
    for heading in ("checkpoint", *names, "took", "of its questions in its data"):
        table.add_column(heading, header_style="dim", no_wrap=True)
    for one in evaluations:
        scores = [score_words(one.scores, name) for name in names]
        table.add_row(one.checkpoint.name, *scores, duration(one.seconds), badge_words(one))
    return table


def score_names(evaluations: list[Evaluation]) -> list[str]:
    """Every score that one of them has, in order, without the errors; pass@1 only where it is another figure
    than the mean reward."""
    names = dict.fromkeys(name for one in evaluations for name in one.scores if not name.endswith(ERROR))
    if all(one.scores.get("pass@1") == one.scores.get("sampled") for one in evaluations):
        names.pop("pass@1", None)
    return list(names)


def score_words(scores: dict[str, float], name: str) -> str:
    """`0.873 ± 0.019`; a dash for what was not measured."""
    if name not in scores:
        return "–"
    error = scores.get(name + ERROR)
    return f"{scores[name]:.3g}" if error is None else f"{scores[name]:.3f} ± {error:.3f}"


def badge_words(evaluation: Evaluation) -> str:
    """`0 of 300 occur`; `12 of 300 (4 %) occur word for word, 31 (10 %) in long runs`; what cannot be said,
    said."""
    found = evaluation.contamination
    if not found:
        return "its data is not known"
    exact, near, items = found["exact"], found["found"], found["items"]
    if not near:
        return f"0 of {items:,} occur"
    whole = f"{exact:,} of {items:,}" + (f" ({share_words(exact, items)})" if exact else "")
    if near == exact:
        return f"{whole} occur word for word"
    at_least = "at least " if found["partly_listed"] else ""
    return f"{whole} occur word for word, {at_least}{near:,} ({share_words(near, items)}) in long runs"


def share_words(part: int, whole: int) -> str:
    """`4 %`; `under 1 %` rather than nothing."""
    return f"{100 * part / whole:.0f} %" if 100 * part >= whole else "under 1 %"
