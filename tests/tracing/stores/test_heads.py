"""Heads of suffixes: searches find the same with their file, without it, or they say that it is damaged."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.tracing.matching.test_search import search
from tests.tracing.support.stores import write_store
from tracing.core.building.heads_file import add_heads, write_heads
from tracing.core.building.writer import StoreWriter
from tracing.core.errors import StoreDamaged, StoreError, StoreExists
from tracing.core.matching.corpus import Corpus
from tracing.core.stores.heads import KEPT_ENTRIES_MAX, NODE_WORDS, Tree, heads_content
from tracing.core.stores.manifest import read_manifest
from tracing.core.stores.store import TokenStore
from tracing.core.stores.verify import verify_store

WHOLE, BY_BLOCK = 1 << 30, 0


def documents(seed: int) -> list[list[int]]:
    """Enough for heads of two 64 KiB blocks."""
    rng = np.random.default_rng(seed)
    return [rng.zipf(1.2, 400).clip(max=900).tolist() for _ in range(400)]


DOCUMENTS = documents(1)
QUERY = [token for document in DOCUMENTS[::25] for token in [*document[3:20], 901]]


def lengths_by_scanning(documents: list[list[int]], query: list[int]) -> list[int]:
    """m(i) for every i, no shorter than the one before by more than a token."""
    text, data = "".join(map(chr, query)), "\uffff".join("".join(map(chr, ids)) for ids in documents)
    lengths, length = [], 0
    for start in range(len(text)):
        length = max(0, length - 1)
        while start + length < len(text) and text[start : start + length + 1] in data:
            length += 1
        lengths.append(length)
    return lengths


LENGTHS = lengths_by_scanning(DOCUMENTS, QUERY)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("heads")
    for name, seed in (("intact", 1), ("other", 2)):
        write_store(made / name, documents(seed)).close()
        assert write_heads(made / name, read_manifest(made / name), entries_max=0) == ["heads.0"]
    return made


@pytest.fixture
def path(home: Path, tmp_path: Path) -> Path:
    """A store of one's own to damage."""
    return shutil.copytree(home / "intact", tmp_path / "copy")


def answers(path: Path, check: int = WHOLE) -> tuple[list[int], object]:
    with TokenStore.open(path, check_at_open_bytes=check) as store:
        return search(Corpus([store]), QUERY)


def test_searches_find_the_same_with_and_without_the_file(path: Path) -> None:
    found = [answers(path), answers(path, BY_BLOCK)]
    (path / "heads.0").unlink()
    found += [answers(path), answers(path, BY_BLOCK)]
    assert found == found[:1] * 4
    assert found[0][0] == LENGTHS


def test_a_sound_file_is_verified(path: Path) -> None:
    assert verify_store(path).suffixes == sum(len(document) + 1 for document in DOCUMENTS)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def extend(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def take_anothers(file: Path) -> None:
    shutil.copyfile(file.parent.parent / "other-heads", file)


def become_a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def dangle(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


@pytest.mark.parametrize("damage", [cut, extend, empty, take_anothers, become_a_directory, dangle])
@pytest.mark.parametrize("check", [WHOLE, BY_BLOCK])
def test_a_file_that_is_not_this_stores_is_refused(
    home: Path, path: Path, damage: Callable[[Path], None], check: int
) -> None:
    shutil.copyfile(home / "other" / "heads.0", path.parent / "other-heads")
    damage(path / "heads.0")
    with pytest.raises(StoreError, match=r"heads\.0"):
        answers(path, check)


def flips() -> Iterator[int]:
    return iter(np.random.default_rng(5).integers(0, 1 << 30, 40).tolist())


def test_a_flipped_bit_gives_an_error_or_the_right_answer(path: Path) -> None:
    right, file = answers(path), path / "heads.0"
    content, refused = file.read_bytes(), 0
    for place in flips():
        altered = bytearray(content)
        altered[place % len(content)] ^= 1 << place % 8
        file.write_bytes(altered)
        with pytest.raises(StoreDamaged):
            answers(path, WHOLE)
        try:
            assert answers(path, BY_BLOCK) == right
        except StoreDamaged:
            refused += 1
    assert refused


def test_a_file_that_is_written_while_open_is_refused(path: Path) -> None:
    with TokenStore.open(path, check_at_open_bytes=BY_BLOCK) as store:
        corpus, file = Corpus([store]), path / "heads.0"
        content = file.read_bytes()
        file.write_bytes(bytes(byte ^ 1 for byte in content))
        with pytest.raises(StoreDamaged):
            search(corpus, QUERY)
        file.write_bytes(content)
        assert search(corpus, QUERY)[0] == LENGTHS


@pytest.mark.parametrize("wrong", ["heads", "lcps"])
def test_heads_that_are_not_those_of_the_table_do_not_verify(path: Path, wrong: str) -> None:
    manifest = read_manifest(path)
    with TokenStore.open(path) as store:
        shard = store.shards[0]
        tree = Tree(shard.entries)
        heads, lcps = shard.take_heads(tree), shard.take_lcps()
    (heads if wrong == "heads" else lcps)[7] += 1
    (path / "heads.0").write_bytes(b"".join(heads_content(manifest, 0, tree, heads, lcps)))
    with pytest.raises(StoreDamaged, match=r"heads\.0"):
        verify_store(path)


def test_a_file_of_the_first_format_is_searched_and_brought_up_to_date(path: Path) -> None:
    manifest, file = read_manifest(path), path / "heads.0"
    right, newest = answers(path), file.read_bytes()
    with TokenStore.open(path) as store:
        tree = Tree(store.shards[0].entries, has_lcps=False)
        heads = store.shards[0].take_heads(tree)
    file.write_bytes(b"".join(heads_content(manifest, 0, tree, heads, None)))
    assert file.stat().st_size < len(newest)
    assert [answers(path), answers(path, BY_BLOCK)] == [right] * 2
    verify_store(path)
    assert add_heads(path, entries_max=0).digest == manifest.digest
    assert file.read_bytes() == newest
    with pytest.raises(StoreExists):
        add_heads(path, entries_max=0)


def test_a_large_store_gets_the_file_and_can_have_it_made_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    parts = rng.integers(0, 5000, (5, KEPT_ENTRIES_MAX // 4))
    described = {"tokenizer": "sha256:0", "dtype": "u16", "stage": "pretrain", "source": "", "licence": ""}
    with StoreWriter(tmp_path / "store", name="store", **described) as writer:
        for part in parts:
            writer.add(part, {})
        writer.publish()
    file, query = tmp_path / "store" / "heads.0", [*parts[0][9:30].tolist(), *parts[3][-40:].tolist(), 7]
    with TokenStore.open(tmp_path / "store") as store:
        right, content = search(Corpus([store]), query), file.read_bytes()
    assert right[0][:3] == [21, 20, 19]
    with pytest.raises(StoreExists):
        add_heads(tmp_path / "store")
    file.unlink()
    with TokenStore.open(tmp_path / "store") as store:
        assert search(Corpus([store]), query) == right
    add_heads(tmp_path / "store")
    assert file.read_bytes() == content


@pytest.mark.parametrize("entries", [1, 15, 16, 17, 256, 257, 4096, 4097, 70_000])
def test_every_level_holds_the_first_words_of_the_nodes_below(entries: int) -> None:
    tree = Tree(entries)
    words = tree.fill(np.arange(tree.heads, dtype=np.uint64)).reshape(-1, NODE_WORDS)
    assert (len(words), len(words[0])) == (sum(tree.nodes), NODE_WORDS)
    first = 0
    for above, below in zip(tree.nodes, tree.nodes[1:], strict=False):
        lower = words[first + above : first + above + below]
        assert (words[first : first + above].ravel()[:below] == lower[:, 0]).all()
        first += above
    assert words[first:].ravel()[: tree.heads].tolist() == list(range(tree.heads))
