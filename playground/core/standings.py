"""Which models people preferred without knowing them: votes counted pair by pair."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Z_95 = 1.96


@dataclass(frozen=True)
class Ballot:
    """A vote on the answers of some models: the place of the better one, or None and whether all are equal.

    Where all are bad, `tied` is False and there is no winner: it says nothing of one against another.
    """

    models: Sequence[str]
    winner: int | None
    tied: bool = False


@dataclass(frozen=True)
class Standing:
    """A model's comparisons with others, one for each other model of a vote."""

    model: str
    won: int
    lost: int
    tied: int

    @property
    def comparisons(self) -> int:
        return self.won + self.lost + self.tied

    @property
    def share(self) -> float:
        """Of its comparisons, those that it won; ties count half."""
        return (self.won + self.tied / 2) / self.comparisons

    @property
    def percent(self) -> int:
        return round(100 * self.share)

    @property
    def low(self) -> int:
        return round(100 * self.interval[0])

    @property
    def high(self) -> int:
        return round(100 * self.interval[1])

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share lies with 95 % confidence (Wilson 1927)."""
        n, z2 = self.comparisons, Z_95**2
        centre = (self.share + z2 / (2 * n)) / (1 + z2 / n)
        half = Z_95 / (1 + z2 / n) * math.sqrt(self.share * (1 - self.share) / n + z2 / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)


def standings(ballots: Iterable[Ballot]) -> list[Standing]:
    """The models that were compared at all, the most preferred first; by name where they are level."""
    won, lost, tied = Counter[str](), Counter[str](), Counter[str]()
    for ballot in ballots:
        others = len(ballot.models) - 1
        if ballot.winner is not None:
            for place, model in enumerate(ballot.models):
                if place == ballot.winner:
                    won[model] += others
                else:
                    lost[model] += 1
        elif ballot.tied:
            for model in ballot.models:
                tied[model] += others
    models = won.keys() | lost.keys() | tied.keys()
    found = [Standing(model, won[model], lost[model], tied[model]) for model in models]
    return sorted(found, key=lambda standing: (-standing.share, standing.model))
