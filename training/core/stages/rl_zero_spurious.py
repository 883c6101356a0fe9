"""The control of RL-Zero: the same, with rewards by the toss of a coin."""

from training.core.evaluation.exam import PLAIN_QUESTION
from training.core.job import Job
from training.core.recipe import RlZeroRecipe
from training.core.rl.sums import SpuriousSums
from training.core.stages.rl import run_rl


def run(job: Job) -> None:
    run_rl(job, RlZeroRecipe, PLAIN_QUESTION, SpuriousSums, thinking=False)
