"""Think SFT: the midtrained model learns to chat, and to work an answer out in <think> before it gives it."""

from training.core.job import Job
from training.core.recipe import ThinkSftRecipe
from training.core.stages.sft import run_sft


def run(job: Job) -> None:
    run_sft(job, ThinkSftRecipe, thinking=True)
