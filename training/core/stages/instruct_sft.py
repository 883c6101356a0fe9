"""Instruct SFT: from the think SFT checkpoint, the model learns to answer at once, in the library's own
words."""

from training.core.job import Job
from training.core.recipe import InstructSftRecipe
from training.core.stages.sft import run_sft


def run(job: Job) -> None:
    run_sft(job, InstructSftRecipe, thinking=False)
