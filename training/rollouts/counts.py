"""How many groups of answers a job asked for, learned from, and dropped, and why."""

from dataclasses import dataclass
from typing import Any

from training.journal import journal_of
from training.models import Job

REASONS = {
    "no_signal": "all rewards were equal: nothing to learn",
    "stale": "from weights further behind than allowed",
    "unverified": "could not be verified",
    "lost": "lost with an engine that died",
    "unused": "the run ended first",
}
"""Why a group was dropped: the metric that counts it, in words."""


@dataclass(frozen=True)
class Dropped:
    """Groups that were dropped for one reason; `share` is of all that were asked for."""

    reason: str
    words: str
    groups: int
    share: float


@dataclass(frozen=True)
class RolloutCounts:
    """Groups, each of `answers` answers to one prompt."""

    asked: int
    answers: int
    dropped: tuple[Dropped, ...]

    @property
    def learned(self) -> int:
        """Groups that some step learned from."""
        return self.asked - sum(one.groups for one in self.dropped)

    @property
    def share(self) -> float:
        return self.learned / self.asked

    def to_json(self) -> dict[str, Any]:
        """As programs get it, in groups and in answers a group."""
        dropped = {one.reason: one.groups for one in self.dropped}
        return {"asked": self.asked, "learned": self.learned, "dropped": dropped, "answers": self.answers}


def rollout_counts(job: Job) -> RolloutCounts | None:
    """What the job's lines of metrics add up to; None for a job that tries no answers, has not begun, or is
    from before these were counted."""
    if "answers" not in job.config:
        return None
    journal = journal_of(job)
    totals = {name: journal.total(name) for name in ("asked", *REASONS)}
    groups = {name: round(total) for name, total in totals.items() if total is not None}
    asked = groups.pop("asked", 0)
    if len(groups) < len(REASONS) or not asked:
        return None
    dropped = (Dropped(name, words, groups[name], groups[name] / asked) for name, words in REASONS.items())
    return RolloutCounts(asked, int(job.config["answers"]), tuple(one for one in dropped if one.groups))
