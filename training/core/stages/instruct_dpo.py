"""Instruct DPO: the instruct model learns to prefer right answers, of like length, to wrong ones."""

from training.core.job import Job
from training.core.recipe import InstructDpoRecipe
from training.core.stages.dpo import run_dpo


def run(job: Job) -> None:
    run_dpo(job, InstructDpoRecipe, thinking=False)
