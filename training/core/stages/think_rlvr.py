"""Think RLVR: the think model learns from whether its own answers are right."""

from training.core.evaluation.exam import CHAT
from training.core.job import Job
from training.core.recipe import RlvrRecipe
from training.core.rl.sums import Sums
from training.core.stages.rl import run_rl


def run(job: Job) -> None:
    run_rl(job, RlvrRecipe, CHAT, Sums, thinking=True)
