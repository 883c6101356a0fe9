"""Whether a candidate data set helps: two models on the same problems, compared problem by problem."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.core.evaluation.scoring import mean_and_error

SURE = 2.0  # standard errors that a difference has to exceed: 95 % if problems are independent
Rewards = Sequence[Sequence[float]]
"""Of every problem: the greedy answer's reward, then those of the sampled ones."""


@dataclass(frozen=True)
class Verdict:
    """The candidate's mean reward less the baseline's. The problems are the sample, and each is answered by
    both: how hard it is cancels out."""

    task: str
    problems: int
    samples: int
    baseline: float
    candidate: float
    difference: float
    error: float
    """Standard error of the difference."""
    greedy_difference: float

    @property
    def finding(self) -> str:
        """helps, hurts or within noise."""
        if abs(self.difference) <= SURE * self.error or self.difference == 0:
            return "within noise"
        return "helps" if self.difference > 0 else "hurts"

    @property
    def problems_needed(self) -> int | None:
        """How many problems it would take to be sure of a difference of this size; None where there is no
        difference at all."""
        if self.difference == 0:
            return None
        return math.ceil(self.problems * (SURE * self.error / self.difference) ** 2)

    @property
    def words(self) -> str:
        """One line for people."""
        figures = (
            f"{self.task}: {self.candidate:.1%} with the candidate, {self.baseline:.1%} without: "
            f"{100 * self.difference:+.1f} ± {100 * self.error:.1f} points over {self.problems:,} problems, "
            f"{self.samples} answers each"
        )
        if self.finding != "within noise":
            return f"{figures}. It {self.finding}."
        needed = self.problems_needed
        more = f"; {needed:,} problems would settle a difference of this size" if needed else ""
        return f"{figures}. Within noise{more}."

    def to_json(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "finding": self.finding,
            "difference": round(self.difference, 6),
            "error": round(self.error, 6),
            "baseline": round(self.baseline, 6),
            "candidate": round(self.candidate, 6),
            "greedy_difference": round(self.greedy_difference, 6),
            "problems": self.problems,
            "samples": self.samples,
            "problems_needed": self.problems_needed,
            "words": self.words,
        }


def compare(task: str, baseline: Rewards, candidate: Rewards) -> Verdict:
    """The verdict over problems that both answered, in the same order. Raises ValueError where they did
    not answer the same number."""
    sampled = [[mean_and_error(row[1:])[0] for row in rewards] for rewards in (baseline, candidate)]
    differences = [after - before for before, after in zip(*sampled, strict=True)]
    greedy = [after[0] - before[0] for before, after in zip(baseline, candidate, strict=True)]
    difference, error = mean_and_error(differences)
    return Verdict(
        task=task,
        problems=len(differences),
        samples=len(baseline[0]) - 1,
        baseline=mean_and_error(sampled[0])[0],
        candidate=mean_and_error(sampled[1])[0],
        difference=difference,
        error=error,
        greedy_difference=mean_and_error(greedy)[0],
    )
