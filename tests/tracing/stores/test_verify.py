"""Verification finds what is wrong in a store, whatever its checksums say."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from tests.tracing.support.brute import corpora
from tests.tracing.support.stores import resign, stores_of, write_store
from tracing.core.errors import StoreDamaged, StoreMissing
from tracing.core.stores.verify import verify_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    documents = [rng.integers(0, 9, rng.integers(0, 40)).tolist() for _ in range(50)]
    write_store(tmp_path / "store", documents, shard_bytes=900).close()
    return tmp_path / "store"


@given(corpora())
@settings(max_examples=60, deadline=None)
def test_what_the_writer_publishes_is_sound(case: tuple[str, list[list[int]], list[int]]) -> None:
    kind, documents, _ = case
    with stores_of(documents, dtype=kind) as [store]:
        entries = sum(len(document) + 1 for document in documents)
        assert verify_store(store.path).suffixes == entries
        assert verify_store(store.path, suffixes=20).suffixes <= min(20, entries - 1)


def test_progress_goes_through_every_phase(path: Path) -> None:
    seen: list[tuple[str, float]] = []
    found = verify_store(path, progress=lambda phase, share: seen.append((phase, share)))
    assert list(dict(seen)) == ["digests", "documents", "suffix array"]
    assert dict(seen)["digests"] == dict(seen)["suffix array"] == 1.0
    assert found.size_bytes == sum(
        file.stat().st_size for file in path.iterdir() if file.name != "manifest.json"
    )


def change_bytes(
    name: str, change: Callable[[np.ndarray], None], dtype: str = "u1"
) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        content = np.fromfile(path / name, dtype=dtype)
        change(content)
        (path / name).write_bytes(content.tobytes())

    return apply


def swap(a: int, b: int) -> Callable[[np.ndarray], None]:
    def apply(content: np.ndarray) -> None:
        content[[a, b]] = content[[b, a]]

    return apply


def put(place: int, value: int) -> Callable[[np.ndarray], None]:
    def apply(content: np.ndarray) -> None:
        content[place] = value

    return apply


def add_a_count(path: Path) -> None:
    lines = (path / "unigram.0").read_text().splitlines()
    first, second = (int(line.split()[1]) for line in lines[:2])
    lines[0], lines[1] = f"0 {first + 1}", f"1 {second - 1}"
    (path / "unigram.0").write_text("\n".join(lines) + "\n")


def spoil_a_line(path: Path) -> None:
    content = (path / "metadata.0").read_bytes()
    (path / "metadata.0").write_bytes(b"[" + content[1:])


FAULTS = {
    "two neighbours of the suffix array swapped": ("table", change_bytes("table.0", swap(40, 41), "<u2")),
    "a suffix listed twice": ("table", change_bytes("table.0", lambda t: t.__setitem__(8, t[9]), "<u2")),
    "a pointer outside the tokens": ("table", change_bytes("table.0", put(8, 65534), "<u2")),
    "a pointer inside a token": ("table", change_bytes("table.0", put(8, 3), "<u2")),
    "a document's offset moved": (
        "offset",
        change_bytes("offset.0", lambda o: o.__setitem__(2, o[2] + 2), "<u8"),
    ),
    "a first offset that is not 0": ("offset", change_bytes("offset.0", put(0, 2), "<u8")),
    "a line's offset moved": (
        "metaoff",
        change_bytes("metaoff.0", lambda o: o.__setitem__(2, o[2] + 1), "<u8"),
    ),
    "a separator too many": ("offset", change_bytes("tokenized.0", put(5, 65535), "<u2")),
    "counts that are off": ("unigram", add_a_count),
    "a line that is no object": ("metadata", spoil_a_line),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_behind_right_checksums_is_found_and_named(path: Path, fault: str) -> None:
    stem, damage = FAULTS[fault]
    damage(path)
    resign(path)
    with pytest.raises(StoreDamaged, match=rf"{stem}\.0"):
        verify_store(path)


def test_wrong_checksums_of_blocks_are_found(path: Path) -> None:
    change_bytes("blocks.1", put(2, 5), "<u8")(path)
    manifest = json.loads((path / "manifest.json").read_text())
    resign(path, checksums=False)
    assert manifest["files"] != json.loads((path / "manifest.json").read_text())["files"]
    with pytest.raises(StoreDamaged):
        verify_store(path)


def test_disorder_is_found_by_a_sample_that_covers_it(path: Path) -> None:
    change_bytes("table.0", lambda table: table[:].__setitem__(slice(None), table[::-1].copy()), "<u2")(path)
    resign(path)
    with pytest.raises(StoreDamaged, match=r"table\.0"):
        verify_store(path, suffixes=50)


def test_a_missing_store_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        verify_store(tmp_path)
    shutil.rmtree(tmp_path)
