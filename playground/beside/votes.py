"""Blind votes: cast once, while nobody sees which model is which; and the running score of them all."""

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from playground.beside.lineups import models_of, writing_in
from playground.beside.models import Verdict
from playground.core.standings import Ballot, Standing, standings
from playground.models import Lineup, Vote


class VoteRefused(Exception):
    """There is nothing to vote on, or the vote is cast."""


def cast_vote(*, lineup: Lineup, verdict: Verdict, winner: int | None = None) -> Vote:
    """Keep the vote, which takes the veil off. Raises VoteRefused."""
    models = models_of(lineup)
    if not lineup.blind:
        raise VoteRefused("Only a blind comparison is voted on: here the names are known.")
    if writing_in(lineup):
        raise VoteRefused("Wait until every answer is there, then vote.")
    if winner is not None and winner >= len(models):
        raise VoteRefused(f"There are {len(models)} answers: choose one of them.")
    names = [model.name if model else "a deleted model" for model in models]
    try:
        with transaction.atomic():
            return Vote.objects.create(lineup=lineup, verdict=verdict, winner=winner, names=names)
    except IntegrityError as error:
        raise VoteRefused("You have voted here: a vote stays as it was cast.") from error


def running_score(votes: QuerySet[Vote]) -> list[Standing]:
    """How the models of these votes stand."""
    return standings(
        Ballot(vote.names, vote.winner, tied=vote.verdict == Verdict.TIE) for vote in votes.iterator()
    )
