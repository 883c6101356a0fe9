"""The scores of a flow's checkpoints on one task, as the page of evaluations shows them."""

from dataclasses import dataclass
from typing import Any

from training.evaluation_report import badge_words, score_names
from training.models import Evaluation, Flow
from training.score_charts import Curve, score_chart

CURVES = {"greedy": "greedy", "sampled": "sampled"}
PLAIN = {"mean_tokens"}
"""Scores that are no shares."""
SCORE_WORDS = {"mean_tokens": "tokens", "well_formed": "well-formed"}
HIGHLIGHTED_TOKENS = 256


@dataclass(frozen=True)
class TaskChoice:
    """A task that the flow has been put to."""

    digest: str
    name: str
    items: int

    @property
    def key(self) -> str:
        """For a URL: enough of the digest."""
        return self.digest.removeprefix("sha256:")[:16]


@dataclass(frozen=True)
class Score:
    """A score as it is written: `87.3 %` and its error `1.9`."""

    value: str
    error: str = ""


@dataclass(frozen=True)
class Standing:
    """A checkpoint's newest evaluation on the task."""

    evaluation: Evaluation
    scores: list[Score | None]
    badge: str

    @property
    def has_whole(self) -> bool:
        """Some question stands in the data word for word."""
        return bool(self.evaluation.contamination.get("exact"))


@dataclass(frozen=True)
class Standings:
    """Everything on the page. `chosen` is None where nothing was evaluated yet."""

    flow: Flow
    tasks: list[TaskChoice]
    chosen: TaskChoice | None
    names: list[str]
    rows: list[Standing]
    chart: str
    curves: list[str]


def flow_standings(flow: Flow, key: str = "") -> Standings:
    """The flow's checkpoints in its order on the task whose digest begins with `key`; on the one that was put
    last where there is none such."""
    everything = list(
        Evaluation.objects.filter(checkpoint__job__flow=flow).select_related("checkpoint", "checkpoint__job")
    )
    tasks = list({one.digest: TaskChoice(one.digest, one.task, one.items) for one in everything}.values())
    chosen = next((task for task in tasks if key and task.key == key), tasks[0] if tasks else None)
    rows = newest_of_each(everything, chosen.digest) if chosen else []
    names = score_names(rows)
    curves = curves_of(rows)
    return Standings(
        flow=flow,
        tasks=tasks,
        chosen=chosen,
        names=[SCORE_WORDS.get(name, name) for name in names],
        rows=[Standing(one, [written(one.scores, name) for name in names], badge_words(one)) for one in rows],
        chart=score_chart([label_of(one) for one in rows], curves),
        curves=[curve.name for curve in curves],
    )


def newest_of_each(everything: list[Evaluation], digest: str) -> list[Evaluation]:
    """`everything` is newest first."""
    found: dict[int, Evaluation] = {}
    for one in everything:
        if one.digest == digest:
            found.setdefault(one.checkpoint_id, one)
    return sorted(found.values(), key=lambda one: (one.checkpoint.job.position, one.checkpoint.step))


def curves_of(rows: list[Evaluation]) -> list[Curve]:
    """Greedy, sampled, and the pass@k of the largest k that there is, if more than one was drawn."""
    names = dict(CURVES)
    drawn = [name for one in rows for name in one.scores if name.startswith("pass@") and "_" not in name]
    largest = max(drawn, key=lambda name: int(name[5:]), default="pass@1")
    if largest != "pass@1":
        names[largest] = largest
    curves = [Curve(words, [point_of(one.scores, name) for one in rows]) for name, words in names.items()]
    return [curve for curve in curves if any(curve.points)]


def point_of(scores: dict[str, float], name: str) -> tuple[float, float] | None:
    return (scores[name], scores.get(f"{name}_error", 0.0)) if name in scores else None


def label_of(one: Evaluation) -> str:
    """The stage, and of an intermediate checkpoint its step."""
    checkpoint = one.checkpoint
    return checkpoint.stage if checkpoint.final else f"{checkpoint.stage} {checkpoint.step:,}"


def written(scores: dict[str, float], name: str) -> Score | None:
    if name not in scores:
        return None
    if name in PLAIN:
        return Score(f"{scores[name]:.1f}")
    error = scores.get(f"{name}_error")
    return Score(f"{100 * scores[name]:.1f} %", "" if error is None else f"{100 * error:.1f}")


def named_scores(evaluation: Evaluation) -> list[tuple[str, Score]]:
    """One evaluation's scores in words."""
    pairs = [(name, written(evaluation.scores, name)) for name in score_names([evaluation])]
    return [(SCORE_WORDS.get(name, name), score) for name, score in pairs if score is not None]


def findings_of(evaluation: Evaluation) -> list[dict[str, Any]]:
    """The questions that occur, each with the tokens to be marked in its document."""
    found = evaluation.contamination.get("findings", [])
    return [
        finding | {"highlight": ",".join(map(str, finding["token_ids"][:HIGHLIGHTED_TOKENS]))}
        for finding in found
    ]


def stage_counts(evaluation: Evaluation) -> list[tuple[str, int, int]]:
    """(stage, items found by n-grams, items that occur whole) of every stage that holds any."""
    found = evaluation.contamination
    by_ngrams, whole = found.get("found_by_stage", {}), found.get("exact_by_stage", {})
    return [
        (stage, by_ngrams.get(stage, 0), whole.get(stage, 0)) for stage in dict.fromkeys([*by_ngrams, *whole])
    ]
