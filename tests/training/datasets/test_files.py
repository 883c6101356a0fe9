"""Whole uploads: of every wrong kind, very large ones, and one bad row among a million."""

import gzip
import json
import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.datasets.uploads import CHAT, chat, check, check_bytes, jsonl
from training.core.datasets import checking, limits
from training.core.datasets.lines import check_file, read_lines
from training.core.datasets.repeats import Repeats, normalised
from training.core.errors import DatasetError

LINE = json.dumps(CHAT).encode() + b"\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\n\n \r\n", "blank lines only"),
        (json.dumps(CHAT).encode("utf-16"), "UTF-16"),
        (json.dumps(CHAT).encode("utf-16-le"), "UTF-16"),
        (json.dumps(CHAT).encode("utf-32"), "UTF-32"),
        (gzip.compress(LINE), "gzip"),
        (b"PK\x03\x04rest", "zip"),
        (b"PAR1rest", "Parquet"),
        (b" [" + LINE.strip() + b"]", "a JSON list"),
        (b"\x7fELF\0\0", "no text"),
    ],
)
def test_files_of_other_kinds_are_refused_with_what_to_do(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        check_bytes(tmp_path, data)


def test_a_byte_order_mark_and_windows_line_ends_are_passed_over(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbf" + LINE.replace(b"\n", b"\r\n") * 2
    found = check_bytes(tmp_path, data)
    assert (found.rows, found.problems.total) == (2, 0)


def test_five_gigabytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.truncate(5 * 2**30)
    with pytest.raises(DatasetError, match="more than 536,870,912 bytes: split it"):
        check_file(path)


def test_a_line_that_is_too_long_is_never_in_memory_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(LINE)
        file.write(b'{"messages": "' + b"x" * (24 * limits.ROW_BYTES_MAX) + b'"}\n')
        file.write(LINE)
    tracemalloc.start()
    found = check_bytes_of(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.rows == 2
    assert [(problem.line, problem.kind) for problem in found.problems.listed] == [(2, "long")]
    assert peak < 12 * limits.ROW_BYTES_MAX


def check_bytes_of(path: Path) -> checking.Findings:
    with checking.Verifiers() as verifiers:
        return checking.check_rows(path, verifiers)


def test_one_bad_row_in_a_million_is_found_on_its_line(tmp_path: Path) -> None:
    path, bad = tmp_path / "million.jsonl", 654_321
    with path.open("wb") as file:
        file.write(LINE * (bad - 1))
        file.write(LINE.replace(b'"content"', b'"content": 1, "content"', 1))
        file.write(LINE * (1_000_000 - bad))
    found = check_bytes_of(path)
    assert found.rows == 999_999
    assert [(problem.line, problem.kind) for problem in found.problems.listed] == [(bad, "repeated-key")]
    assert found.repeats.result().exact == 999_998


def test_a_file_of_another_kind_is_not_read_to_its_end(tmp_path: Path) -> None:
    found = check(tmp_path, *["no row"] * 1500)
    assert found.problems.counts == {"json": 1000}
    assert "first 1,000 rows" in found.stopped
    assert len(found.problems.listed) == limits.PROBLEMS_LISTED


def test_rows_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "ROWS_MAX", 3)
    with pytest.raises(DatasetError, match="more than 3 rows: split it"):
        check(tmp_path, *[CHAT] * 4)


def test_what_is_told_of_progress_ends_at_the_last_byte(tmp_path: Path) -> None:
    path, told = tmp_path / "rows.jsonl", list[int]()
    path.write_bytes(LINE * 3)
    with checking.Verifiers() as verifiers:
        checking.check_rows(path, verifiers, told.append)
    assert told == [len(LINE), 2 * len(LINE), 3 * len(LINE)]


@given(st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))))
def test_lines_are_those_of_the_file(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("lines") / "file"
    path.write_bytes(b"\n".join(lines))
    with path.open("rb") as file:
        read = list(read_lines(file))
    wanted = lines if not lines or lines[-1] else lines[:-1]
    wanted = [wanted[0].removeprefix(b"\xef\xbb\xbf"), *wanted[1:]] if wanted else []
    assert [line.data for line in read] == wanted
    assert [line.number for line in read] == list(range(1, len(read) + 1))


@given(
    st.lists(st.sampled_from(["a", "A", " a ", "b", "12 + 7", "12 - 7", "12  + 7", "ﬁ", "fi"]), max_size=30)
)
def test_repeats_are_those_that_a_dictionary_finds(texts: list[str]) -> None:
    repeats = Repeats()
    for line, text in enumerate(texts, 1):
        repeats.add(line, [text])
    found = repeats.result()
    near = [(line, texts_first(texts, text)) for line, text in enumerate(texts, 1)]
    assert found.exact == len(texts) - len(set(texts))
    assert found.exact + found.near == len(texts) - len({normalised(text) for text in texts})
    assert found.listed == [[line, first] for line, first in near if line != first]


def texts_first(texts: list[str], text: str) -> int:
    return 1 + next(i for i, other in enumerate(texts) if normalised(other) == normalised(text))


def test_questions_that_differ_in_a_sign_are_no_repeats(tmp_path: Path) -> None:
    found = check(tmp_path, chat("12 + 7", "19"), chat("12 - 7", "5"), chat("12 +  7", "19"))
    found_repeats = found.repeats.result()
    assert (found_repeats.exact, found_repeats.near, found_repeats.listed) == (0, 1, [[3, 1]])
    assert not found_repeats.similar


def test_random_bytes_are_never_more_than_bad_rows(tmp_path: Path) -> None:
    rng = random.Random(5)
    for _ in range(200):
        row = bytearray(jsonl(CHAT))
        for _ in range(rng.randint(1, 6)):
            row[rng.randrange(len(row))] = rng.randrange(256)
        found = check_bytes(tmp_path, LINE + bytes(row).replace(b"\0", b"0") + b"\n" + LINE)
        assert found.rows + found.problems.total + found.blank >= 3
