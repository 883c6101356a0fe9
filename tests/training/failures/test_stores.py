"""A store that is missing or damaged when the job starts: the job names it, and runs once it is whole."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.training.core_jobs import events, log_of
from tests.training.failures.attempts import begin, end
from tests.training.failures.conftest import MakeJob
from training.core.run import FAILED


def cut(store: Path) -> None:
    os.truncate(store / "tokenized.0", 100)


def change_one_byte(store: Path) -> None:
    content = bytearray((store / "tokenized.0").read_bytes())
    content[len(content) // 2] ^= 1
    (store / "tokenized.0").write_bytes(content)


def lose_manifest(store: Path) -> None:
    (store / "manifest.json").unlink()


def spoil_manifest(store: Path) -> None:
    (store / "manifest.json").write_text('{"format": ')


def lose_all(store: Path) -> None:
    shutil.rmtree(store)


def test_a_job_whose_store_is_missing_or_damaged_names_it_and_runs_once_it_is_restored(
    prepared: Path, pretraining: MakeJob, digests: Callable[[str], dict[str, str]]
) -> None:
    good, store = prepared / "stores" / "t-pretrain", prepared / "stores" / "frail"
    folder, whole = pretraining("frail", store="frail"), pretraining("sound")
    harms = (cut, change_one_byte, lose_manifest, spoil_manifest, lose_all)
    for harm in harms:
        shutil.copytree(good, store, dirs_exist_ok=True)
        harm(store)
        assert end(begin(folder)) == FAILED, harm
        event = events(folder, "failed")[-1]
        assert event["expected"], harm
        assert str(store) in event["error"], harm
    assert len(events(folder, "failed")) == len(harms)
    assert not list((prepared / "checkpoints").glob("*frail*"))
    shutil.copytree(good, store, dirs_exist_ok=True)
    assert end(begin(folder)) == 0, log_of(folder)
    assert end(begin(whole)) == 0, log_of(whole)
    assert digests("frail") == digests("sound") != {}
