"""A data directory with a small midtrained checkpoint, and a judge on the loopback."""

from pathlib import Path

import pytest

from tests.training.core_jobs import MODEL, RECIPES, log_of, make_job, run_here
from tests.training.judge_server import judge

__all__ = ["judge"]

RL = {"batch_size": 2, "answers": 4, "steps": 4, "longest_answer": 12, "learning_rate": 1e-3}
RL |= {"final_learning_rate": 1e-3, "held_out_problems": 0, "checkpoints": 1, "attention": "eager"}
RL |= {"sequence_length": 64, "easy": 1.0, "rounds": 4}
RECIPES.setdefault("rl-zero", RL)
WIDE = MODEL | {"hidden_size": 128, "kv_heads": 2}
"""Heads of 64, because vLLM takes none of 16."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, parent = tmp_path_factory.mktemp("home"), None
    for stage in ("prepare", "pretrain", "midtrain"):
        changes = {} if stage == "prepare" else {"tokens": 512}
        changes |= {"model": WIDE} if stage == "pretrain" else {}
        folder = make_job(home, stage, parent=parent, changes=changes)
        assert run_here(folder) == 0, log_of(folder)
        parent = home / "checkpoints" / f"t-{stage}"
    return home


def make_rl(home: Path, name: str, **changes: object) -> Path:
    """The directory of a job of RL-Zero whose checkpoints begin with `name`."""
    tokenizer = home / "tokenizers" / name
    if not tokenizer.exists():
        tokenizer.symlink_to(home / "tokenizers" / "t")
    parent = home / "checkpoints" / "t-midtrain"
    return make_job(home, "rl-zero", folder=name, name=name, parent=parent, changes=RL | changes)
