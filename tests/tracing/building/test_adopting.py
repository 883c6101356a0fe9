"""Indexes of infini-gram, and token files without an index, become stores; none of their files changes."""

import functools
import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from infini_gram.engine import InfiniGramEngine

from tests.tracing.support.corpora import json_lines
from tests.tracing.support.infini_gram import run_infini_gram_indexer
from tests.tracing.support.stores import text_tokenizer, tokenizer_json, write_store
from tracing.core.building.adopting import token_type_of
from tracing.core.stores.store import TokenStore
from tracing.core.stores.verify import verify_store

TEXTS = ["to be or not to be", "", "x", "not to be, that is é", "to be or not to be"]
DESCRIBED = ["--stage", "pretrain", "--licence", "CC0", "--source", "Hamlet"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Its own indexes, built once: u8 of text, with metadata and counts; u16 of tokens, without."""

    @functools.cache
    def build(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        save, corpus = folder / "index", folder / "corpus"
        corpus.mkdir()
        save.mkdir()
        if kind == "u8":
            rows = [{"text": text, "title": f"{n}", "n": n} for n, text in enumerate(TEXTS)]
            (corpus / "part.jsonl").write_bytes(json_lines(rows))
        else:
            write_store(folder / "ours", documents_of(TEXTS), kind).close()
            for name in ("tokenized.0", "offset.0"):
                shutil.copy(folder / "ours" / name, save)
        run_infini_gram_indexer(corpus, save, kind)
        return save

    return build


@pytest.fixture
def index(tmp_path: Path, built: Callable[[str], Path], request: pytest.FixtureRequest) -> Path:
    """A copy of the index of one kind."""
    return Path(shutil.copytree(built(request.param), tmp_path / "index"))


def documents_of(texts: list[str]) -> list[list[int]]:
    return [text_tokenizer().encode(text)[0] for text in texts]


def contents(path: Path) -> dict[str, tuple[bytes, int]]:
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.iterdir()}


def verify(path: Path, *options: str) -> str:
    output = StringIO()
    call_command("verify_index", str(path), *options, stdout=output, stderr=StringIO())
    return output.getvalue()


@pytest.mark.parametrize("index", ["u8", "u16"], indirect=True)
def test_an_index_of_infini_gram_is_checked_then_adopted_and_its_files_stay(index: Path) -> None:
    before = contents(index)
    said = verify(index)
    assert "is sound: 5 documents" in said
    assert "would write" in said
    assert contents(index) == before
    assert "Adopted" in verify(index, "--adopt", "--tokenizer", "sha256:" + "0" * 64, *DESCRIBED)
    after = contents(index)
    made = {"blocks.0", "manifest.json"}
    if token_type_of(index) == "u16":
        made |= {"metadata.0", "metaoff.0", "unigram.0"}
    assert set(after) - set(before) == made
    assert {name: after[name] for name in before} == before
    assert verify_store(index).manifest.licence == "CC0"
    with TokenStore.open(index) as store:
        kind, tokens, metadata = store.manifest.dtype, store.token_ids(3).tolist(), store.metadata(3)
    if kind == "u8":
        assert tokens == list(TEXTS[3].encode())
        where = "part.jsonl:4"
        assert metadata == {"id": where, "source": where, "title": "3", "fields": {"n": 3}}
    else:
        assert (tokens, metadata) == (documents_of(TEXTS)[3], {})


@pytest.mark.parametrize("index", ["u16"], indirect=True)
def test_its_own_engine_opens_the_adopted_index(index: Path) -> None:
    verify(index, "--adopt", "--tokenizer", "sha256:" + "0" * 64, *DESCRIBED)
    engine = InfiniGramEngine([str(index)], eos_token_id=0, vocab_size=65535, token_dtype="u16")
    ids = documents_of(TEXTS)[0]
    assert engine.count(ids)["count"] == 2


DAMAGE = {
    "table.0": lambda content: content[::-1].copy(),
    "offset.0": lambda content: np.roll(content, 1),
    "tokenized.0": lambda content: np.roll(content, 2),
    "unigram.0": lambda content: np.where(content == ord("5"), ord("4"), content).astype(np.uint8),
    "metadata.0": lambda content: np.where(content == ord("{"), ord("["), content).astype(np.uint8),
}


@pytest.mark.parametrize("index", ["u8"], indirect=True)
@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_index_is_not_adopted_and_the_file_is_named(index: Path, name: str) -> None:
    content = np.fromfile(index / name, dtype=np.uint8)
    (index / name).write_bytes(DAMAGE[name](content).tobytes())
    before = contents(index)
    with pytest.raises(CommandError, match=f"{index}/"):
        verify(index, "--adopt", "--tokenizer", "sha256:" + "0" * 64, *DESCRIBED)
    assert contents(index) == before


@pytest.mark.parametrize("index", ["u16"], indirect=True)
def test_a_tokenizer_that_cannot_have_written_the_index_is_refused(index: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(vocab_size=259))
    with pytest.raises(CommandError, match="give --stage, --licence, --source"):
        verify(index, "--adopt", "--tokenizer", str(tmp_path))
    with pytest.raises(CommandError, match=r"No tokenizer at"):
        verify(index, "--adopt", "--tokenizer", str(tmp_path / "none"), *DESCRIBED)
    with pytest.raises(CommandError, match=r"holds token id \d+, the tokenizer ends at 260"):
        verify(index, "--adopt", "--tokenizer", str(tmp_path), *DESCRIBED)


@pytest.mark.parametrize("index", ["u8", "u16"], indirect=True)
def test_build_index_makes_what_the_token_files_lack(index: Path) -> None:
    table, kind = (index / "table.0").read_bytes(), token_type_of(index)
    for name in ("table.0", "unigram.0"):
        (index / name).unlink(missing_ok=True)
    before = contents(index)
    options = [
        "--dtype",
        kind,
        "--tokenizer",
        "sha256:" + "0" * 64,
        *DESCRIBED,
    ]
    build = ["build_index", "--store", str(index)]
    with pytest.raises(CommandError, match="give --tokenizer, --stage"):
        call_command(*build, stderr=StringIO())
    call_command(*build, *options, stdout=StringIO(), stderr=StringIO())
    assert (index / "table.0").read_bytes() == table
    assert {name: contents(index)[name] for name in before} == before
    verify_store(index)
    with pytest.raises(CommandError, match="a store already"):
        call_command(*build, *options, stderr=StringIO())


@pytest.mark.parametrize("index", ["u16"], indirect=True)
def test_the_wrong_token_type_is_refused(index: Path) -> None:
    (index / "table.0").unlink()
    options = ["--dtype", "u32", "--tokenizer", "sha256:" + "0" * 64, *DESCRIBED]
    with pytest.raises(CommandError, match=r"offset\.0.*give the type|no u32 token files"):
        call_command("build_index", "--store", str(index), *options, stderr=StringIO())


def test_an_import_without_an_index_is_indexed_later(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json())
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    command = ["import_corpus", "notes", str(tmp_path / "a.jsonl"), "--tokenizer", str(tmp_path)]
    command += ["--stage", "pretrain", "--licence", "MIT", "--processes", "1", "--output"]
    quiet = {"stdout": StringIO(), "stderr": StringIO()}
    call_command(*command, str(tmp_path / "whole"), **quiet)
    call_command(*command, str(tmp_path / "later"), "--no-index", **quiet)
    assert not (tmp_path / "later" / "table.0").exists()
    with pytest.raises(CommandError, match="build_index makes it a store"):
        verify(tmp_path / "later")
    with pytest.raises(CommandError, match="was written with tokenizer"):
        call_command("build_index", "--store", str(tmp_path / "later"), "--tokenizer", "sha256:" + "0" * 64)
    call_command("build_index", "--store", str(tmp_path / "later"), **quiet)
    files = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert sorted(path.name for path in (tmp_path / "later").iterdir()) == files
    for name in set(files) - {"manifest.json"}:
        assert (tmp_path / "later" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert verify_store(tmp_path / "later").manifest.name == "notes"
