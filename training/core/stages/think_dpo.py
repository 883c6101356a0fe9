"""Think DPO: the think model learns to prefer its own right answers to a weaker checkpoint's wrong ones."""

from training.core.job import Job
from training.core.recipe import ThinkDpoRecipe
from training.core.stages.dpo import run_dpo


def run(job: Job) -> None:
    run_dpo(job, ThinkDpoRecipe, thinking=True)
