"""Two checkpoints beside each other: settings, data, scores, curves, cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from training.checkpoint_pages.card import Card, card_of, flat
from training.checkpoint_pages.costs import NAMES, cost_words, summed
from training.checkpoint_pages.curves import losses_together
from training.evaluation_report import ERROR, badge_words, score_names
from training.models import Checkpoint, Evaluation, TrainedOn
from training.standings import PLAIN, SCORE_WORDS, Score, written

ABSENT = "–"


@dataclass(frozen=True)
class Setting:
    """A setting with its two values."""

    name: str
    left: str
    right: str


@dataclass(frozen=True)
class Data:
    """A store that one of the two, or both, were trained on; shares of all tokens behind each, in percent."""

    store: str
    stage: str
    tokens: int
    left: int | None
    right: int | None
    left_seeds: str
    right_seeds: str

    @property
    def is_alike(self) -> bool:
        return self.left is not None and self.left_seeds == self.right_seeds


@dataclass(frozen=True)
class ScorePair:
    """A score of both on one task. `error` is the standard error of the difference, None where unknown."""

    task: str
    name: str
    left: Score
    right: Score
    difference: str
    error: str
    verdict: str


@dataclass(frozen=True)
class Side:
    """One of the two, with what the contamination badge says of each task that both were put to."""

    card: Card
    badges: list[tuple[str, str]]


@dataclass(frozen=True)
class Comparison:
    """Everything on the page."""

    left: Side
    right: Side
    different: list[Setting]
    same: list[Setting]
    data: list[Data]
    scores: list[ScorePair]
    chart: str
    cost: list[tuple[str, str, str, str, str]]

    @property
    def sides(self) -> list[Side]:
        return [self.left, self.right]


def compare_checkpoints(a: Checkpoint, b: Checkpoint) -> Comparison:
    left, right = card_of(a), card_of(b)
    settings = settings_of(left, right)
    scores, badges = scores_of(left, right)
    return Comparison(
        left=Side(left, [(task, one) for task, one, _ in badges]),
        right=Side(right, [(task, other) for task, _, other in badges]),
        different=[setting for setting in settings if setting.left != setting.right],
        same=[setting for setting in settings if setting.left == setting.right],
        data=data_of(left, right),
        scores=scores,
        chart=losses_together([a, b]),
        cost=costs_of(left, right),
    )


def settings_of(left: Card, right: Card) -> list[Setting]:
    """What they are first, then every setting of their stages."""
    facts = [
        Setting("stage", left.checkpoint.stage, right.checkpoint.stage),
        Setting("step", f"{left.checkpoint.step:,}", f"{right.checkpoint.step:,}"),
        Setting("parents", names_of(left.parents), names_of(right.parents)),
        Setting("kind", left.origin or left.kind, right.origin or right.kind),
        Setting("code commit", left.checkpoint.code_commit[:12], right.checkpoint.code_commit[:12]),
    ]
    ours, theirs = flat(left.checkpoint.config), flat(right.checkpoint.config)
    names = dict.fromkeys([*ours, *theirs])
    return facts + [Setting(name, ours.get(name, ABSENT), theirs.get(name, ABSENT)) for name in names]


def names_of(checkpoints: Sequence[Checkpoint]) -> str:
    return ", ".join(checkpoint.name for checkpoint in checkpoints) or "none"


def data_of(left: Card, right: Card) -> list[Data]:
    """Every store behind either: what only one was trained on first."""
    stores = {row.store.pk: row.store for card in (left, right) for row in card.lineage.readings}
    rows = []
    for store in stores.values():
        ours = [row for row in left.lineage.readings if row.store_id == store.pk]
        theirs = [row for row in right.lineage.readings if row.store_id == store.pk]
        shares = [
            share(store.tokens, card) if found else None for card, found in ((left, ours), (right, theirs))
        ]
        rows.append(Data(store.name, store.stage, store.tokens, *shares, seeds(ours), seeds(theirs)))
    return sorted(rows, key=lambda row: row.is_alike)


def share(tokens: int, card: Card) -> int:
    total = sum(store.tokens for store in card.lineage.stores)
    return round(100 * tokens / total) if total else 0


def seeds(rows: Sequence[TrainedOn]) -> str:
    return ", ".join(dict.fromkeys(str(row.seed) for row in rows))


def scores_of(left: Card, right: Card) -> tuple[list[ScorePair], list[tuple[str, str, str]]]:
    """Scores of the tasks that both were put to, and the badges of each."""
    theirs = {one.evaluation.digest: one.evaluation for one in right.examined}
    both = [
        (one.evaluation, theirs[key]) for one in left.examined if (key := one.evaluation.digest) in theirs
    ]
    pairs = [pair for ours, other in both for pair in score_pairs(ours, other)]
    badges = [(ours.task, badge_words(ours), badge_words(other)) for ours, other in both]
    return pairs or measured_while_training(left.checkpoint, right.checkpoint), badges


def score_pairs(ours: Evaluation, theirs: Evaluation) -> list[ScorePair]:
    names = [name for name in score_names([ours, theirs]) if name in ours.scores and name in theirs.scores]
    return [score_pair(ours.task, name, ours.scores, theirs.scores) for name in names]


def measured_while_training(a: Checkpoint, b: Checkpoint) -> list[ScorePair]:
    """What the stages measured themselves, where no evaluation was put to both: without standard errors."""
    names = [name for name in ("greedy", "sampled", "pairs") if name in a.scores and name in b.scores]
    return [score_pair("while training", name, a.scores, b.scores) for name in names]


def score_pair(task: str, name: str, ours: dict[str, float], theirs: dict[str, float]) -> ScorePair:
    left, right = written(ours, name) or Score(ABSENT), written(theirs, name) or Score(ABSENT)
    difference = theirs[name] - ours[name]
    errors = [scores.get(name + ERROR) for scores in (ours, theirs)]
    error = math.hypot(*errors) if None not in errors else None
    scale, unit = (1, "") if name in PLAIN else (100, " points")
    return ScorePair(
        task,
        SCORE_WORDS.get(name, name),
        left,
        right,
        f"{scale * difference:+.1f}{unit}",
        "" if error is None else f"{scale * error:.1f}",
        verdict_on(difference, error),
    )


def verdict_on(difference: float, error: float | None) -> str:
    """Whether a difference is more than chance between two samples of questions would often show."""
    if error is None:
        return "no standard error known"
    if not difference:
        return "no difference"
    times = abs(difference) / error if error else math.inf
    if times >= 2:
        return "beyond two standard errors"
    return "beyond one standard error" if times > 1 else "within the standard error"


def costs_of(left: Card, right: Card) -> list[tuple[str, str, str, str, str]]:
    """(what, left's own, left's lineage, right's own, right's lineage)"""
    wholes = [card.checkpoint.lineage_cost or summed(card.lineage) for card in (left, right)]
    owns = [card.checkpoint.cost for card in (left, right)]
    known = [name for name in NAMES if any(cost.get(name) for cost in (*owns, *wholes))]
    return [
        (
            NAMES[name],
            cost_words(owns[0], name),
            cost_words(wholes[0], name),
            cost_words(owns[1], name),
            cost_words(wholes[1], name),
        )
        for name in known
    ]
