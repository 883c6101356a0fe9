"""`manage.py trace`, typed as people type it, on a really trained flow."""

import json
import os
import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.flows import document_text
from tracing.core.errors import StoreDamaged
from tracing.core.stores.store import TokenStore
from training.models import Checkpoint

pytestmark = pytest.mark.django_db


def run_trace(*arguments: object) -> str:
    output = StringIO()
    call_command("trace", *map(str, arguments), stdout=output)
    return output.getvalue()


def test_the_command_prints_what_the_api_answers(instruct: Checkpoint, tmp_path: Path) -> None:
    text, token_ids = document_text(instruct, "pretrain")
    (tmp_path / "text.txt").write_text(text, newline="")
    (tmp_path / "ids.json").write_text(json.dumps(token_ids))
    for given in (["--text", text], ["--file", tmp_path / "text.txt"], ["--ids", tmp_path / "ids.json"]):
        trace = json.loads(run_trace("--model", instruct.name, *given, "--json"))
        assert list(trace)[:4] == ["object", "id", "model", "checkpoint"]
        assert (trace["object"], trace["model"]) == ("trace", instruct.name)
        assert trace["text"] == text
        assert trace["spans"]


def test_repeat_reports_medians_of_warm_runs(instruct: Checkpoint) -> None:
    trace = json.loads(run_trace("--model", instruct.name, "--text", "os.path", "--repeat", 3, "--json"))
    assert trace["repeat"] == 3
    assert set(trace["timing_ms"]) == {"match", "documents", "rank", "total"}


def test_people_see_the_spans_and_the_source_of_their_documents(
    instruct: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    text, _ = document_text(instruct, "pretrain")
    run_trace("--model", instruct.name, "--text", text)
    shown = capsys.readouterr().out
    assert "span 0" in shown
    assert "document 0" in shown
    assert ".py:" in shown
    assert "in spans, longest match" in shown


def test_a_store_by_its_path_is_traced_without_a_database(
    trained_home: str, tmp_path: Path, django_db_blocker: object
) -> None:
    """Outside of pytest's database access altogether: every query would raise."""
    store = TokenStore.open(settings.HOME / "stores" / "tiny-pretrain")
    (tmp_path / "ids.json").write_text(json.dumps(store.token_ids(0).tolist()))
    with django_db_blocker.block():  # type: ignore[attr-defined]
        trace = json.loads(
            run_trace("--index", store.path, "--ids", tmp_path / "ids.json", "--raw", "--json")
        )
    assert trace["spans"][0]["token_end"] == len(store.token_ids(0))
    assert trace["model"] is None


def test_a_store_that_came_without_its_tokenizer_is_traced_by_its_ids(
    trained_home: str, tmp_path: Path
) -> None:
    shutil.copytree(settings.HOME / "stores" / "tiny-pretrain", tmp_path / "elsewhere" / "store")
    (tmp_path / "ids.json").write_text("[1, 2, 3]")
    hidden = settings.HOME / "tokenizers-away"
    options = ["--index", tmp_path / "elsewhere" / "store", "--json"]
    (settings.HOME / "tokenizers").rename(hidden)
    checkpoints = settings.HOME / "checkpoints"
    checkpoints.rename(settings.HOME / "checkpoints-away")
    try:
        trace = json.loads(run_trace(*options, "--ids", tmp_path / "ids.json"))
        with pytest.raises(CommandError, match="was not found, so text cannot be made into its ids"):
            run_trace(*options, "--text", "hello")
    finally:
        hidden.rename(settings.HOME / "tokenizers")
        (settings.HOME / "checkpoints-away").rename(checkpoints)
    assert trace["text"] == "1 2 3 "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "list of whole numbers"),
        ("[1.5]", "whole numbers"),
        ("[true]", "whole numbers"),
        ("[1", "no JSON"),
    ],
)
def test_a_bad_file_of_ids_is_explained(
    instruct: Checkpoint, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "ids.json").write_text(content)
    with pytest.raises(CommandError, match=message):
        run_trace("--model", instruct.name, "--ids", tmp_path / "ids.json")


def test_an_unknown_model_is_answered_with_the_known_ones(instruct: Checkpoint) -> None:
    with pytest.raises(CommandError, match=f"No checkpoint is called 'nobody'.*{instruct.name}"):
        run_trace("--model", "nobody", "--text", "x")


def test_a_damaged_store_is_an_error_and_no_answer(trained_home: str, tmp_path: Path) -> None:
    copied = tmp_path / "store"
    shutil.copytree(settings.HOME / "stores" / "tiny-pretrain", copied)
    table = bytearray((copied / "table.0").read_bytes())
    table[len(table) // 2] ^= 1
    (copied / "table.0").write_bytes(table)
    with pytest.raises(CommandError, match=r"table\.0 is damaged"):
        run_trace("--index", copied, "--text", "os.path.join")
    with pytest.raises(StoreDamaged):
        TokenStore.open(copied)


BAD_ARGUMENTS = [
    (["--text", ""], "0 tokens"),
    (["--text", "half \udcff a pair"], "surrogate"),
    (["--text", "a", "--min-tokens", "0"], "min_tokens"),
    (["--text", "a", "--min-tokens", "-1"], "min_tokens"),
    (["--text", "a", "--density", "nan"], "density"),
    (["--text", "a", "--density", "inf"], "density"),
    (["--text", "a", "--max-documents", "101"], "max_documents"),
    (["--text", "a", "--seed", "-1"], "seed"),
    (["--text", "a", "--stages", "no-such"], "stages"),
    (["--file", "no-such-file"], "no-such-file"),
    (["--ids", "."], "directory"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
def test_what_cannot_be_traced_is_one_clear_line(
    instruct: Checkpoint, arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message) as error:
        run_trace("--model", instruct.name, *arguments)
    assert error.value.returncode == 1
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("content", ["[" + "1," * 10_000_000 + "1]", "[" * 100_000, "a" * 10_000_000])
def test_files_longer_than_anything_to_be_traced_are_refused(
    instruct: Checkpoint, tmp_path: Path, content: str
) -> None:
    (tmp_path / "file").write_text(content)
    for option in ("--ids", "--file") if content[0] == "a" else ("--ids",):
        with pytest.raises(CommandError, match=r"more than|no JSON"):
            run_trace("--model", instruct.name, option, tmp_path / "file")


def test_a_store_at_an_odd_path_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"line\nbreak \xff")
    path.mkdir()
    with pytest.raises(CommandError, match="No token store at") as error:
        run_trace("--index", path, "--text", "a")
    assert len(str(error.value).splitlines()) == 1
