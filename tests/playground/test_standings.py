"""Votes become shares: pair by pair, ties half, with an interval that narrows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.standings import Ballot, Standing, standings


def test_a_winner_of_three_has_beaten_two() -> None:
    found = {standing.model: standing for standing in standings([Ballot(["a", "b", "c"], winner=1)])}
    assert found["b"] == Standing("b", won=2, lost=0, tied=0)
    assert found["a"] == Standing("a", won=0, lost=1, tied=0)


def test_ties_count_half_and_all_bad_counts_nothing() -> None:
    ballots = [Ballot(["a", "b"], None, tied=True), Ballot(["a", "b"], 0), Ballot(["a", "b"], None)]
    first, second = standings(ballots)
    assert (first.model, first.share, second.share) == ("a", 0.75, 0.25)
    assert standings([Ballot(["a", "b"], None)]) == []


@pytest.mark.parametrize(("won", "of", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 1, 0.0, 0.7935)])
def test_the_interval_is_wilsons(won: int, of: int, low: float, high: float) -> None:
    """Figures of Newcombe (1998)'s method 3, by hand."""
    interval = Standing("a", won, of - won, 0).interval
    assert interval == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


@given(st.lists(st.tuples(st.permutations(["a", "b", "c"]), st.sampled_from([None, 0, 1, 2])), max_size=30))
def test_what_some_win_others_lose(votes: list[tuple[list[str], int | None]]) -> None:
    found = standings(Ballot(models, winner) for models, winner in votes)
    assert sum(standing.won for standing in found) == sum(standing.lost for standing in found)
    for standing in found:
        low, high = standing.interval
        assert 0 <= low <= standing.share + 1e-9
        assert standing.share - 1e-9 <= high <= 1
