"""Damaged stores: one clear error, never a crash, never a wrong answer."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tracing.support.stores import IN_MEMORY, resign, text_tokenizer, write_store
from tracing.core.errors import StoreDamaged, StoreError, StoreMismatch, StoreMissing
from tracing.core.stores.layout import BLOCKS, DATA_FILES
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer, TraceRequest

TOKENIZER = text_tokenizer()
FILES = [f"{stem}.{number}" for number in (0, 1) for stem in (*DATA_FILES, BLOCKS)]
WHOLE, BY_BLOCK = 1 << 30, 0  # check every file when opening, or only the blocks that queries touch


def documents(seed: int) -> list[list[int]]:
    """Enough for two shards of several 64 KiB blocks, the same lengths for every seed."""
    rng = np.random.default_rng(seed)
    return [rng.zipf(1.3, 40 + number % 60).clip(max=320).tolist() for number in range(2200)]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        for name, seed in (("intact", 1), ("other", 2)):
            write_store(Path(directory) / name, documents(seed), shard_bytes=200_000, name="store").close()
        yield Path(directory)


@pytest.fixture
def path(home: Path) -> Iterator[Path]:
    """A store of one's own to damage."""
    copy = home / "copy"
    shutil.copytree(home / "intact", copy)
    yield copy
    shutil.rmtree(copy, ignore_errors=True)


def answer(store: TokenStore) -> tuple[object, ...]:
    """What a trace and a reader take from the store: spans, counts, documents, snippets, metadata."""
    found = (
        Tracer([store], TOKENIZER).trace(TraceRequest(token_ids=QUERY, density=1.0, min_tokens=2)).to_json()
    )
    del found["timing_ms"]
    read = [(store.token_ids(n).tolist(), store.metadata(n)) for n in (0, 7, store.documents - 1)]
    return (found, read)


QUERY = [token for document in documents(1)[::300] for token in document[:12]] + [5, 9, 318, 2]


def open_and_answer(path: Path, check_at_open_bytes: int) -> tuple[object, ...]:
    with TokenStore.open(path, check_at_open_bytes=check_at_open_bytes) as store:
        return answer(store)


@pytest.fixture(scope="module")
def right(home: Path) -> tuple[object, ...]:
    return open_and_answer(home / "intact", WHOLE)


def test_a_store_checked_block_by_block_gives_the_same_answer(home: Path, right: object) -> None:
    assert open_and_answer(home / "intact", BY_BLOCK) == right


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_missing_file_is_an_error_that_names_it(path: Path, name: str) -> None:
    (path / name).unlink()
    with pytest.raises(StoreMissing, match=name):
        TokenStore.open(path)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("check", [WHOLE, BY_BLOCK])
def test_a_file_cut_at_any_kind_of_boundary_is_an_error(path: Path, name: str, check: int) -> None:
    content = (path / name).read_bytes()
    end = len(content.rstrip(b"}\n")) if name == "manifest.json" else len(content)
    for size in {0, 1, min(4096, end - 3), min(65536, end - 4), end // 2, end - 8, end - 2, end - 1}:
        (path / name).write_bytes(content[:size])
        with pytest.raises((StoreDamaged, StoreMissing)):
            TokenStore.open(path, check_at_open_bytes=check)
    (path / name).write_bytes(content + b"\0")
    with pytest.raises(StoreDamaged):
        TokenStore.open(path, check_at_open_bytes=check)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_store_is_an_error(home: Path, path: Path, name: str) -> None:
    shutil.copyfile(home / "other" / name, path / name)
    if (home / "intact" / name).read_bytes() == (home / "other" / name).read_bytes():
        TokenStore.open(path).close()  # the same lengths, so the same offsets
    else:
        with pytest.raises(StoreDamaged):
            TokenStore.open(path)


def test_two_files_of_one_store_swapped_are_an_error(path: Path) -> None:
    content = [(path / f"table.{n}").read_bytes() for n in (0, 1)]
    for n in (0, 1):
        (path / f"table.{n}").write_bytes(content[1 - n])
    with pytest.raises(StoreDamaged):
        TokenStore.open(path)


@given(st.sampled_from([*FILES, "manifest.json"]), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_anywhere_is_an_error_when_files_are_checked_whole(
    path: Path, right: object, name: str, share: float, flip: int
) -> None:
    with flipped(path / name, share, flip):
        assert_no_wrong_answer(path, right, WHOLE, must_fail=name != "manifest.json")


@given(st.sampled_from(FILES), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_anywhere_that_a_query_touches_is_an_error(
    path: Path, right: object, name: str, share: float, flip: int
) -> None:
    with flipped(path / name, share, flip):
        assert_no_wrong_answer(path, right, BY_BLOCK, must_fail=name.split(".")[0] in ("blocks", "unigram"))


class flipped:  # noqa: N801  (read as a word in a with statement)
    """The file with one byte altered, put right again afterwards."""

    def __init__(self, file: Path, share: float, flip: int) -> None:
        self._file, self._at, self._flip = file, int(share * file.stat().st_size), flip

    def __enter__(self) -> None:
        with self._file.open("r+b") as file:
            file.seek(self._at)
            byte = file.read(1)[0]
            file.seek(self._at)
            file.write(bytes([byte ^ self._flip]))

    def __exit__(self, *_: object) -> None:
        self.__enter__()


def assert_no_wrong_answer(path: Path, right: object, check: int, *, must_fail: bool) -> None:
    error = error_of(path, check, right)
    assert error is None or str(path) in str(error)
    assert error is not None or not must_fail


def error_of(path: Path, check: int, right: object) -> StoreError | None:
    """The error that opening and asking the store gives, if any; without one the answer must be right."""
    try:
        assert open_and_answer(path, check) == right
    except StoreError as error:
        return error
    return None


@pytest.mark.parametrize("check", [WHOLE, BY_BLOCK])
@pytest.mark.parametrize("name", ["tokenized.0", "table.1", "offset.0"])
def test_a_file_cut_while_it_is_open_is_an_error_not_a_crash(path: Path, name: str, check: int) -> None:
    with TokenStore.open(path, check_at_open_bytes=check) as store:
        tracer = Tracer([store], TOKENIZER)
        live = tracer.live()
        os.truncate(path / name, 4096)
        with pytest.raises(StoreDamaged, match="when opened"):
            tracer.trace(TraceRequest(token_ids=QUERY))
        with pytest.raises(StoreDamaged, match="when opened"):
            live.push(QUERY[:3])


@pytest.mark.parametrize("check", [WHOLE, BY_BLOCK])
@pytest.mark.parametrize("name", ["tokenized.0", "table.0", "offset.0", "metadata.0", "metaoff.0"])
def test_a_file_overwritten_while_it_is_open_is_an_error_even_where_it_was_checked_before(
    path: Path, right: object, name: str, check: int
) -> None:
    with TokenStore.open(path, check_at_open_bytes=check) as store:
        assert answer(store) == right
        content = (path / name).read_bytes()
        with (path / name).open("r+b") as file:
            file.write(bytes(byte ^ 1 for byte in content))
        with pytest.raises(StoreDamaged):
            answer(store)


def test_a_file_replaced_while_it_is_open_changes_nothing_for_those_who_have_it_open(
    home: Path, path: Path, right: object
) -> None:
    with TokenStore.open(path) as store:
        shutil.copyfile(home / "other" / "table.0", path / "new")
        os.replace(path / "new", path / "table.0")
        assert answer(store) == right
    with pytest.raises(StoreDamaged):
        TokenStore.open(path)


def test_something_else_in_a_files_place_is_an_error(path: Path) -> None:
    (path / "offset.0").unlink()
    for make in (Path.mkdir, os.mkfifo):
        make(path / "offset.0")
        with pytest.raises(StoreError, match=r"offset\.0"):
            TokenStore.open(path)
        remove = (path / "offset.0").rmdir if make is Path.mkdir else (path / "offset.0").unlink
        remove()


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"digest": "x"}', b"[" * 100_000]
)
def test_a_manifest_that_is_none_is_an_error(path: Path, content: bytes) -> None:
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(StoreDamaged, match=r"manifest\.json"):
        TokenStore.open(path)


CONTRADICTIONS = [{"dtype": "u8"}, {"dtype": "u32"}, {"dtype": "u64"}, {"tokens": 1}, {"documents": 3}]
CONTRADICTIONS += [{"documents": "2200"}, {"format": "headwater-store/9"}, {"extra": 1}, {"tokens": True}]


@pytest.mark.parametrize("change", CONTRADICTIONS)
def test_a_manifest_that_contradicts_the_files_is_an_error(path: Path, change: dict[str, object]) -> None:
    resign(path, **change)
    with pytest.raises(StoreDamaged):
        TokenStore.open(path)


def test_the_wrong_tokenizer_is_a_mismatch(home: Path) -> None:
    TokenStore.open(home / "intact", tokenizer=TOKENIZER.digest).close()
    with pytest.raises(StoreMismatch, match="sha256:00"):
        TokenStore.open(home / "intact", tokenizer="sha256:00")


def test_a_path_without_a_store_is_missing(home: Path) -> None:
    for path in (home / "nothing", home, home / "intact" / "table.0"):
        with pytest.raises(StoreMissing):
            TokenStore.open(path)


def test_stray_files_and_odd_names_do_no_harm(home: Path, right: object) -> None:
    path = home / "tokenized \n metadata é 日本"
    shutil.copytree(home / "intact", path)
    for name in ("tokenized.7", "table", ".hidden", "notes.txt"):
        (path / name).write_text("stray")
    assert open_and_answer(path, BY_BLOCK) == right


@given(st.integers(0, 2**32 - 1), st.sampled_from(["table", "offset", "tokenized", "metaoff"]), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_with_right_checksums_never_reads_out_of_bounds(
    home: Path, path: Path, seed: int, stem: str, small: bool
) -> None:
    rng, file = np.random.default_rng(seed), path / f"{stem}.0"
    content = np.fromfile(home / "intact" / f"{stem}.0", dtype=np.uint8)
    spots = rng.integers(0, content.size, 20 if small else content.size)
    content[spots] = rng.integers(0, 256, spots.size)
    file.write_bytes(content.tobytes())
    resign(path)
    with contextlib.suppress(StoreError):
        open_and_answer(path, BY_BLOCK)
    shutil.copyfile(home / "intact" / f"{stem}.0", file)
