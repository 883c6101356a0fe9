"""RL-Zero: a base model learns from rewards alone, asked in its own plain form."""

from training.core.evaluation.exam import PLAIN_QUESTION
from training.core.job import Job
from training.core.recipe import RlZeroRecipe
from training.core.rl.sums import Sums
from training.core.stages.rl import run_rl


def run(job: Job) -> None:
    run_rl(job, RlZeroRecipe, PLAIN_QUESTION, Sums, thinking=False)
