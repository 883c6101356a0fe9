"""Imports: every row is in the store once, whatever its file, however often the import was killed."""

import contextlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from tests.tracing.support.corpora import files_in, import_of, some_rows, texts_in, write_rows
from tests.tracing.support.stores import text_tokenizer
from tracing.core.building import sources
from tracing.core.building.import_job import Progress
from tracing.core.building.importing import import_corpus
from tracing.core.building.work_directory import WorkDirectory
from tracing.core.errors import InputError, StoreError, StoreExists
from tracing.core.stores.store import TokenStore
from tracing.core.stores.verify import verify_store

ROWS = some_rows(40)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small corpora have many batches."""
    monkeypatch.setattr(sources, "BATCH_BYTES", 200)
    monkeypatch.setattr(sources, "BATCH_ROWS", 4)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json.gz", "a.ndjson.zst", "a.parquet"])
def test_every_row_of_every_kind_of_file_is_in_the_store_with_its_metadata(tmp_path: Path, name: str) -> None:
    done = import_corpus(import_of(write_rows(tmp_path / name, ROWS), output=tmp_path / "store"))
    assert texts_in(tmp_path / "store") == [row["text"] for row in ROWS]
    assert done.documents == len(ROWS)
    assert verify_store(tmp_path / "store").manifest == done.manifest
    with TokenStore.open(tmp_path / "store") as store:
        found = store.metadata(3)
    source = f"{tmp_path / name}:4"
    assert found == {
        "corpus": "notes",
        "stage": "pretrain",
        "licence": "MIT",
        "id": 3,
        "source": source,
        "fields": {"length": 6},
    }


def test_the_store_is_the_same_whatever_the_number_of_processes(tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "a.jsonl", ROWS)
    for processes in (1, 3):
        output = tmp_path / f"store{processes}"
        import_corpus(import_of(corpus, output=output, processes=processes, memory_bytes=6 * 2000))
    assert files_in(tmp_path / "store1") == files_in(tmp_path / "store3")
    assert "tokenized.1" in files_in(tmp_path / "store1")


KILLED = """
    import os, sys
    from pathlib import Path
    from tests.tracing.support.corpora import import_of
    from tracing.core.building import importing, indexing, sources
    sources.BATCH_BYTES, sources.BATCH_ROWS, importing.SAVE_EVERY_S = 200, 4, 0
    paths, output, times = [Path(p) for p in sys.argv[3:]], Path(sys.argv[1]), int(sys.argv[2])
    seen = 0
    def count(*_):
        global seen
        seen += 1
        if seen > times:
            os.kill(os.getpid(), 9)
    def killing(function):
        def before_and_after(*arguments, **options):
            count()
            result = function(*arguments, **options)
            count()
            return result
        return before_and_after
    for name in ("fsync", "fdatasync", "rename"):
        setattr(os, name, killing(getattr(os, name)))
    Path.rename = killing(Path.rename)
    importing.import_corpus(import_of(*paths, output=output, memory_bytes=6 * 2000), count)
"""


def test_an_import_killed_at_any_moment_goes_on_to_the_same_store(tmp_path: Path) -> None:
    """Killed around the writes to the disk, further and further on, until nothing is left to do."""
    paths = [write_rows(tmp_path / name, ROWS) for name in ("a.jsonl", "b.jsonl.gz", "c.parquet")]
    import_corpus(import_of(*paths, output=tmp_path / "whole", memory_bytes=6 * 2000))
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "store")]
    kills = 0
    for times in range(25, 400, 35):
        done = subprocess.run([*command, str(times), *map(str, paths)], capture_output=True, check=False)
        kills += done.returncode == -9
        if (tmp_path / "store").exists():
            break
        assert done.returncode == -9, done.stderr
    assert kills > 2
    assert files_in(tmp_path / "store") == files_in(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_a_killed_process_is_one_clear_error_and_the_import_goes_on_afterwards(tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "a.jsonl", ROWS)

    def kill_children(progress: Progress) -> None:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.ZombieProcess):  # killed by the report before
                if "building.pool" in " ".join(child.cmdline()):
                    child.kill()

    with pytest.raises(StoreError, match="process that encoded documents was killed"):
        import_corpus(import_of(corpus, output=tmp_path / "store", processes=2), kill_children)
    import_corpus(import_of(corpus, output=tmp_path / "store", processes=2))
    assert texts_in(tmp_path / "store") == [row["text"] for row in ROWS]


def test_an_import_that_was_stopped_says_what_has_changed(tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "a.jsonl", [*ROWS, {"no text": 1}])
    with pytest.raises(InputError, match=r"a\.jsonl:41 has no"):
        import_corpus(import_of(corpus, output=tmp_path / "store"))
    with pytest.raises(InputError, match="other --licence and --text-field"):
        import_corpus(import_of(corpus, output=tmp_path / "store", licence="CC0", text_field="body"))
    write_rows(corpus, ROWS)
    with pytest.raises(InputError, match=r"other input files.*--restart"):
        import_corpus(import_of(corpus, output=tmp_path / "store"))
    import_corpus(import_of(corpus, output=tmp_path / "store", restart=True))
    assert texts_in(tmp_path / "store") == [row["text"] for row in ROWS]


def test_bad_rows_can_be_left_out_after_the_first_one_stopped_the_import(tmp_path: Path) -> None:
    bad = [{"text": None}, {"text": "\ud800"}, {"other": 1}]
    rows = [*ROWS[:20], bad[0], *ROWS[20:], *bad[1:]]
    corpus = write_rows(tmp_path / "a.jsonl", rows)
    with pytest.raises(InputError, match="--skip-bad"):
        import_corpus(import_of(corpus, output=tmp_path / "store"))
    done = import_corpus(import_of(corpus, output=tmp_path / "store", skip_bad=True))
    assert texts_in(tmp_path / "store") == [row["text"] for row in ROWS]
    assert (done.left_out, len(done.wrong)) == (3, 3)
    assert [wrong.split(":")[1].split()[0] for wrong in done.wrong] == ["21", "42", "43"]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.parquet"])
def test_a_file_that_was_cut_is_named_and_nothing_is_published(tmp_path: Path, name: str) -> None:
    corpus = write_rows(tmp_path / name, ROWS)
    corpus.write_bytes(corpus.read_bytes()[:-9])
    with pytest.raises(InputError, match=f"{name} cannot be read"):
        import_corpus(import_of(corpus, output=tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_rows_keep_scalars_and_objects_of_bounded_size_and_no_others(tmp_path: Path) -> None:
    row = {
        "body": "the text",
        "text": "not the text",
        "stage": "another",
        "title": "t" * 9999,
        "url": 3,
        "score": 0.5,
        "nested": {"a": [1, None]},
        "list": [1],
        "nothing": None,
        "long": "x" * 9999,
        "half": "a\ud800",
        "halves": {"a": "\ud800"},
        "endless": float("inf"),
        "yes": True,
    }
    corpus = write_rows(tmp_path / "a.jsonl", [row])
    import_corpus(import_of(corpus, output=tmp_path / "store", text_field="body"))
    with TokenStore.open(tmp_path / "store") as store:
        found = store.metadata(0)
    assert found["fields"] == {
        "text": "not the text",
        "stage": "another",
        "score": 0.5,
        "nested": {"a": [1, None]},
        "half": "a?",
        "yes": True,
    }
    assert (found["stage"], found["url"], "title" in found) == ("pretrain", 3, False)
    assert texts_in(tmp_path / "store") == ["the text"]


def test_a_file_with_a_name_that_is_no_text_is_read_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    write_rows(folder / os.fsdecode(b"\xff\n.jsonl"), ROWS[:3])
    import_corpus(import_of(folder, output=tmp_path / "store"))
    with TokenStore.open(tmp_path / "store") as store:
        assert store.metadata(1)["source"] == f"{folder}/?\n.jsonl:2"


def test_dates_of_parquet_become_text(tmp_path: Path) -> None:
    import datetime

    day = datetime.date(2024, 5, 1)
    corpus = write_rows(tmp_path / "a.parquet", [{"text": "x", "date": day, "raw": b"\xff"}])
    import_corpus(import_of(corpus, output=tmp_path / "store"))
    with TokenStore.open(tmp_path / "store") as store:
        assert store.metadata(0)["date"] == "2024-05-01"
        assert "fields" not in store.metadata(0)


def test_a_document_larger_than_a_shard_is_named(tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "a.jsonl", [{"text": "x"}, {"text": "carry 1 " * 900}])
    with pytest.raises(InputError, match=r"a\.jsonl:2.*do not fit a shard.*--memory"):
        import_corpus(import_of(corpus, output=tmp_path / "store", memory_bytes=6000))


def test_two_imports_to_one_place_do_not_meet(tmp_path: Path) -> None:
    corpus = write_rows(tmp_path / "a.jsonl", ROWS)
    with WorkDirectory(tmp_path / "store"), pytest.raises(StoreError, match="by another process"):
        import_corpus(import_of(corpus, output=tmp_path / "store"))
    import_corpus(import_of(corpus, output=tmp_path / "store"))
    with pytest.raises(StoreExists):
        import_corpus(import_of(corpus, output=tmp_path / "store"))


def test_progress_goes_from_reading_to_publishing(tmp_path: Path) -> None:
    seen: list[Progress] = []
    corpus = write_rows(tmp_path / "a.jsonl", ROWS)
    import_corpus(import_of(corpus, output=tmp_path / "store"), seen.append)
    assert list(dict.fromkeys(p.phase for p in seen)) == ["reading", "suffix array", "checksums", "publish"]
    shares = [p.share for p in seen if p.phase == "reading"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    tokens = sum(len(text_tokenizer().encode(row["text"])[0]) for row in ROWS)
    assert (seen[-1].documents, seen[-1].tokens) == (len(ROWS), tokens)
