"""`import_corpus` and `verify_index`, typed as people type them, on real stores."""

import json
import os
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from accounts.models import AuditEntry
from tracing.core.stores.layout import DATA_FILES
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from tracing.models import Store

ROWS = [
    {"text": "The cat sat on the mat.\r\n", "url": "https://example.org/cat", "licence": "CC0"},
    {"text": ""},
    {"text": "Ünïcode — and a tail", "id": "row-3", "title": "Three", "unknown": [1]},
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer without merges: one id a byte."""
    folder = tmp_path_factory.mktemp("tokenizer")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n")
    (folder / "deep" / "b.txt").write_text("plain text")
    (folder / ".hidden").write_bytes(b"\xff")
    return folder


def run_import(tokenizer: Path, *arguments: object) -> str:
    output = StringIO()
    options = ["--tokenizer", str(tokenizer), "--stage", "pretrain", "--licence", "MIT", "--processes", "1"]
    call_command("import_corpus", *map(str, arguments), *options, stdout=output, stderr=StringIO())
    return output.getvalue()


@pytest.fixture
def store(tokenizer: Path, corpus: Path, tmp_path: Path) -> Path:
    run_import(tokenizer, "notes", corpus, "--output", tmp_path / "store")
    return tmp_path / "store"


def test_every_document_is_in_the_store_with_its_exact_text_and_metadata(
    store: Path, tokenizer: Path
) -> None:
    reader = TextTokenizer.open(tokenizer)
    with TokenStore.open(store, tokenizer=reader.digest) as opened:
        texts = [reader.decode(opened.token_ids(number))[0] for number in range(opened.documents)]
        assert texts == [*(row["text"] for row in ROWS), "plain text"]
        first, second, third, fourth = (opened.metadata(number) for number in range(4))
    assert (first["licence"], first["url"], first["stage"]) == ("CC0", "https://example.org/cat", "pretrain")
    assert second["id"].endswith("a.jsonl:2")
    assert (third["id"], third["title"], third["licence"]) == ("row-3", "Three", "MIT")
    assert "unknown" not in third
    assert fourth["source"] == "b.txt"


@pytest.mark.django_db
def test_an_import_by_name_is_registered(tokenizer: Path, corpus: Path) -> None:
    assert "4 documents" in run_import(tokenizer, "registered-notes", corpus)
    row = Store.objects.get(name="registered-notes")
    assert (row.documents, row.stage, row.licence) == (4, "pretrain", "MIT")
    assert row.path == settings.HOME / "stores" / "registered-notes"
    entry = AuditEntry.objects.get(object_type="store", object_id="registered-notes")
    assert (entry.action, entry.detail["documents"]) == ("import corpus", 4)
    assert entry.actor_name.endswith("(manage.py import_corpus)")
    with pytest.raises(CommandError, match="never rewritten"):
        run_import(tokenizer, "registered-notes", corpus)
    shutil.rmtree(row.path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "ok"}\n{"text": 3}\n', r'bad.jsonl:2 has no "text"'),
        (b'{"text": "ok"}\n{"text": \n', r"bad.jsonl:2 is no JSON"),
        (b"[1]\n", r'bad.jsonl:1 has no "text"'),
        (b"\xff\xfe\n", r"bad.jsonl:1 is no JSON"),
        (b'{"text": "half \\ud800 pair"}\n', "surrogate"),
        (b"", "no documents"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_published(
    tmp_path: Path, tokenizer: Path, content: bytes, message: str
) -> None:
    (tmp_path / "bad.jsonl").write_bytes(content)
    with pytest.raises(CommandError, match=message):
        run_import(tokenizer, "bad", tmp_path / "bad.jsonl", "--output", tmp_path / "store")
    kept = [] if message == "no documents" else [".store.importing"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*kept, "bad.jsonl"]


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [("../up", "corpus", "cannot be a store's name"), ("fine", "nowhere", "neither a file nor a folder")],
)
def test_a_wrong_argument_is_explained(
    tmp_path: Path, tokenizer: Path, corpus: Path, name: str, path: str, message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run_import(tokenizer, name, tmp_path / path, "--output", tmp_path / "store")


def test_a_binary_file_is_named(tmp_path: Path, tokenizer: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"ok \xff")
    with pytest.raises(CommandError, match=r"x\.txt is not UTF-8 text \(byte 3\)"):
        run_import(tokenizer, "x", tmp_path / "x.txt", "--output", tmp_path / "store")


def test_a_sound_store_is_called_sound(store: Path) -> None:
    output = StringIO()
    call_command("verify_index", str(store), stdout=output, stderr=StringIO())
    assert "notes is sound: 4 documents" in output.getvalue()


@pytest.mark.parametrize("stem", [*DATA_FILES, "blocks"])
def test_a_flipped_bit_anywhere_is_found_and_its_file_named(store: Path, stem: str) -> None:
    path = store / f"{stem}.0"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(CommandError, match=f"{stem}.0"):
        call_command("verify_index", str(store), stdout=StringIO(), stderr=StringIO())


def test_verify_index_needs_no_database_and_its_help_teaches(tmp_path: Path) -> None:
    environ = {**os.environ, "HEADWATER_HOME": str(tmp_path / "empty")}
    command = [sys.executable, "manage.py", "verify_index"]
    asked = {"cwd": settings.BASE_DIR, "env": environ, "capture_output": True, "text": True}
    assert "Needs no database" in subprocess.run([*command, "--help"], check=True, **asked).stdout
    missing = subprocess.run([*command, str(tmp_path / "none")], check=False, **asked)
    assert missing.returncode == 1
    assert "No token store at" in missing.stderr
    assert "Traceback" not in missing.stderr
