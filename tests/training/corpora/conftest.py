"""A model from elsewhere in a data directory of its own, with corpora of its own tokenizer and of another."""

import json
import shutil
from pathlib import Path

import pytest
from pytest_django import Settings
from tokenizers import Tokenizer

from accounts.audit import Actor
from tests.training.elsewhere import write_corpus
from training.exchange.importing import import_model
from training.models import Checkpoint
from training.registry import register_checkpoint


@pytest.fixture
def shelf(tmp_path: Path, settings: Settings, db: None) -> Path:
    settings.HOME = tmp_path
    return tmp_path


@pytest.fixture
def guest(shelf: Path, model_folder: Path) -> Checkpoint:
    """An imported checkpoint without corpora."""
    return import_model(folder=model_folder, name="guest", by=Actor("test"))


@pytest.fixture
def fitting(shelf: Path, model_folder: Path) -> list[str]:
    """Names of two corpora in its tokenizer."""
    return [write_corpus(shelf, model_folder, name) for name in ("first-part", "second-part")]


@pytest.fixture
def foreign(shelf: Path, model_folder: Path, tmp_path: Path) -> str:
    """The name of a corpus in another tokenizer."""
    folder = Path(shutil.copytree(model_folder, tmp_path / "other-tokenizer"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["<another>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return write_corpus(shelf, folder, "foreign-part")


@pytest.fixture
def native(guest: Checkpoint) -> Checkpoint:
    """The same weights, as a stage here would have published them."""
    folder = Path(shutil.copytree(guest.path, guest.path.with_name("native")))
    manifest = folder / "manifest.json"
    fields = json.loads(manifest.read_text()) | {"name": "native", "stage": "pretrain"}
    manifest.write_text(json.dumps(fields))
    return register_checkpoint(folder)
