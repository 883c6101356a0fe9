"""A prepared data directory, and jobs in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.core_jobs import log_of, make_job
from tests.training.failures.attempts import begin, end
from training.core.checkpoints import read_checkpoint

MakeJob = Callable[..., Path]


@pytest.fixture(scope="package")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    folder = make_job(home, "prepare")
    assert end(begin(folder)) == 0, log_of(folder)
    return home


@pytest.fixture
def pretraining(prepared: Path) -> MakeJob:
    """Makes a job of pretraining by its name and changes to its recipe."""

    def make(name: str, **changes: Any) -> Path:
        (prepared / "tokenizers" / name).symlink_to(prepared / "tokenizers" / "t")
        return make_job(
            prepared,
            "pretrain",
            folder=name,
            name=name,
            changes={"store": "t-pretrain", "save_s": 0, **changes},
        )

    return make


@pytest.fixture
def digests(prepared: Path) -> Callable[[str], dict[str, str]]:
    """Digests of the weights of each checkpoint that a flow of this name published, by the rest of its
    name."""

    def read(name: str) -> dict[str, str]:
        folders = (prepared / "checkpoints").glob(f"{name}-pretrain*")
        return {folder.name.removeprefix(name): read_checkpoint(folder).digest for folder in folders}

    return read


def leftovers(*folders: Path) -> list[Path]:
    """Temporary files and directories, and saved states, that lie there."""
    found = (path for folder in folders for path in folder.rglob("*"))
    return [path for path in found if "partial" in path.name or path.name.startswith(("state.pt", "state-0"))]
