"""What several rooms' tests of training use."""

from pathlib import Path

import pytest

from tests.playground.tiny_model import write_checkpoint


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model from elsewhere: its directory as save_pretrained writes it, in one file."""
    folder = tmp_path_factory.mktemp("models") / "elsewhere"
    write_checkpoint(folder, seed=11, hidden=64)
    return folder
