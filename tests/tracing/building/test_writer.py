"""Published stores: byte for byte infini-gram's files, whole or not at all."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.support.infini_gram import run_infini_gram_indexer
from tests.tracing.support.stores import write_store
from tracing.core.building.suffix_array import sorted_positions
from tracing.core.building.writer import StoreWriter
from tracing.core.errors import InputError, StoreError, StoreExists
from tracing.core.stores.layout import TOKEN_TYPES, pointer_bytes
from tracing.core.stores.store import TokenStore


def random_documents(kind: str, seed: int) -> list[list[int]]:
    """Documents with repeats, one of them empty, one of one token, over a small and a large alphabet."""
    rng = np.random.default_rng(seed)
    top = TOKEN_TYPES[kind].separator
    repeated = rng.integers(0, min(top, 5), 40).tolist()
    others = [rng.integers(0, top, rng.integers(2, 60)).tolist() for _ in range(6)]
    return [repeated, [], others[0], repeated, [3], *others[1:], repeated[10:]]


U32_INDEXER = pytest.mark.skipif(
    psutil.virtual_memory().total < 33 << 30,
    reason="infini-gram 2.6.0 asks for 32 GiB at once to sort any u32 file (8 bytes for every id up to 2^32)",
)


@pytest.mark.parametrize("kind", ["u8", "u16", pytest.param("u32", marks=U32_INDEXER)])
def test_the_table_is_byte_identical_to_infini_grams(tmp_path: Path, kind: str) -> None:
    write_store(tmp_path / "ours", random_documents(kind, 7), dtype=kind).close()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("tokenized.0", "offset.0"):  # its indexer sorts the token files that it finds
        (theirs / name).write_bytes((tmp_path / "ours" / name).read_bytes())
    run_infini_gram_indexer(tmp_path, theirs, kind)
    assert (theirs / "table.0").read_bytes() == (tmp_path / "ours" / "table.0").read_bytes()


def test_every_file_but_the_metadata_is_byte_identical_to_infini_grams_on_the_same_text(
    tmp_path: Path,
) -> None:
    texts = ["to be or not to be", "", "x", "not to be, that is é", "to be or not to be"]
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    lines = [json.dumps({"text": text, "number": number}) for number, text in enumerate(texts)]
    (corpus / "part.jsonl").write_text("\n".join(lines) + "\n")
    run_infini_gram_indexer(corpus, tmp_path / "theirs", "u8")
    write_store(tmp_path / "ours", [list(text.encode()) for text in texts], dtype="u8").close()
    for name in ("tokenized.0", "offset.0", "table.0", "unigram.0"):
        assert (tmp_path / "theirs" / name).read_bytes() == (tmp_path / "ours" / name).read_bytes(), name


REPEATED = st.builds(
    lambda parts, times: b"".join(part * times for part in parts)[:600],
    st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=4),
    st.integers(1, 90),
)
"""One token over and over, copies of a document, and runs that differ at their ends only."""


@given(data=st.binary(min_size=1, max_size=200) | REPEATED, width=st.sampled_from([1, 2, 4]))
@settings(max_examples=200, deadline=None)
def test_positions_are_sorted_by_the_bytes_that_follow(data: bytes, width: int) -> None:
    data = data[: len(data) // width * width] or bytes(width)
    found = np.concatenate(list(sorted_positions(np.frombuffer(bytearray(data), np.uint8), width))).tolist()
    assert found == sorted(range(0, len(data), width), key=lambda position: data[position:])


@pytest.mark.parametrize(
    ("size_bytes", "pointer"), [(1, 1), (2, 1), (256, 1), (257, 2), (65536, 2), (65537, 3), (2**31 - 1, 4)]
)
def test_a_pointer_has_as_many_bytes_as_infini_gram_gives_it(size_bytes: int, pointer: int) -> None:
    assert pointer_bytes(size_bytes) == pointer
    assert pointer == max(1, int(np.ceil(np.log2(size_bytes) / 8)))


@pytest.mark.parametrize("kind", ["u8", "u16", "u32"])
@pytest.mark.parametrize("shard_bytes", [2**31 - 1, 300])
def test_documents_and_metadata_come_back_as_they_went_in(
    tmp_path: Path, kind: str, shard_bytes: int
) -> None:
    documents = random_documents(kind, 3)
    store = write_store(tmp_path / "store", documents, dtype=kind, shard_bytes=shard_bytes)
    assert [store.token_ids(number).tolist() for number in range(store.documents)] == documents
    assert [store.metadata(number)["id"] for number in range(store.documents)] == [
        f"store-{number}" for number in range(len(documents))
    ]
    assert store.tokens == sum(map(len, documents))
    assert (len(store.shards) > 1) == (shard_bytes == 300)
    assert all(shard.tokenized.size_bytes <= shard_bytes for shard in store.shards)


def test_a_byte_pointer_finds_its_document_in_every_shard(tmp_path: Path) -> None:
    documents = random_documents("u16", 5)
    store = write_store(tmp_path / "store", documents, shard_bytes=260)
    expected = [number for number, ids in enumerate(documents) for _ in range(len(ids) + 1)]
    sizes = [range(0, shard.tokenized.size_bytes, 2) for shard in store.shards]
    assert [store.document_at(n, p) for n, pointers in enumerate(sizes) for p in pointers] == expected
    with pytest.raises(InputError, match="no byte"):
        store.document_at(0, store.shards[0].tokenized.size_bytes)


def test_unigram_counts_cover_all_shards_and_the_separators(tmp_path: Path) -> None:
    documents = random_documents("u16", 5)
    store = write_store(tmp_path / "store", documents, shard_bytes=260)
    flat = [0xFFFF] * len(documents) + [token for ids in documents for token in ids]
    ids, counts = np.unique(flat, return_counts=True)
    assert store.unigrams.tolist() == np.stack([ids, counts], axis=1).tolist()


UNUSABLE_IDS = [[65535], [-1], [70000], ["1"], [[1, 2]], [1.5], [True], [10**30], [[1], [2, 3]]]
UNUSABLE_METADATA = [{"value": float("nan")}, {"value": object()}, 3]


@pytest.mark.parametrize(
    ("ids", "metadata"), [*((i, {}) for i in UNUSABLE_IDS), *(([1], m) for m in UNUSABLE_METADATA)]
)
def test_unusable_documents_are_refused_and_the_writer_goes_on(
    tmp_path: Path, ids: list, metadata: dict
) -> None:
    options = {"tokenizer": "sha256:00", "stage": "pretrain", "source": "test", "licence": "PSF-2.0"}
    with StoreWriter(tmp_path / "store", name="store", dtype="u16", **options) as writer:
        writer.add([1, 2], {})
        with pytest.raises(InputError):
            writer.add(ids, metadata)
        writer.add([3], {})
        writer.publish()
    store = TokenStore.open(tmp_path / "store")
    assert [store.token_ids(number).tolist() for number in range(2)] == [[1, 2], [3]]


def test_a_store_without_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no documents"):
        write_store(tmp_path / "store", [])
    assert list(tmp_path.iterdir()) == []


def test_a_published_store_is_never_rewritten(tmp_path: Path) -> None:
    write_store(tmp_path / "store", [[1, 2, 3]]).close()
    before = (tmp_path / "store" / "manifest.json").read_bytes()
    with pytest.raises(StoreExists):
        write_store(tmp_path / "store", [[4]])
    assert (tmp_path / "store" / "manifest.json").read_bytes() == before


def test_of_two_writers_to_one_path_the_first_to_publish_wins(tmp_path: Path) -> None:
    options = {"tokenizer": "sha256:00", "stage": "pretrain", "source": "test", "licence": "PSF-2.0"}
    first, second = (
        StoreWriter(tmp_path / "store", name=name, dtype="u16", **options) for name in ("first", "second")
    )
    first.add([1], {})
    second.add([2], {})
    first.publish()
    with pytest.raises(StoreExists):
        second.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert TokenStore.open(tmp_path / "store").manifest.name == "first"


def test_leaving_without_publishing_leaves_nothing(tmp_path: Path) -> None:
    options = {"tokenizer": "t", "dtype": "u8", "stage": "pretrain", "source": "s", "licence": "l"}
    with StoreWriter(tmp_path / "store", name="s", **options) as writer:
        writer.add([1], {})
        assert list(tmp_path.iterdir()) != []
    assert list(tmp_path.iterdir()) == []


FILL = """
    import resource, signal, sys
    from pathlib import Path
    from tracing.core.errors import StoreError
    from tracing.core.building.writer import StoreWriter
    options = dict(name="s", tokenizer="t", dtype="u16", stage="pretrain", source="s", licence="l")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with StoreWriter(Path(sys.argv[1]), **options) as writer:
        for number in range(2000):
            writer.add([number % 50] * 20, {"id": number})
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
        try:
            writer.publish()
        except StoreError as error:
            print(error)
            try:
                writer.add([1], {})
            except StoreError:
                sys.exit(3)
"""


@pytest.mark.parametrize("limit_bytes", [1, 30_000, 90_000, 120_000])
def test_a_disk_that_fills_up_while_publishing_leaves_nothing_behind(
    tmp_path: Path, limit_bytes: int
) -> None:
    write_store(tmp_path / "kept", [[1, 2, 3]]).close()
    command = [sys.executable, "-c", textwrap.dedent(FILL), str(tmp_path / "store"), str(limit_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "nothing was published" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert TokenStore.open(tmp_path / "kept").token_ids(0).tolist() == [1, 2, 3]


def test_what_a_killed_writer_left_is_removed_by_the_next_one_and_a_living_ones_is_kept(
    tmp_path: Path,
) -> None:
    script = textwrap.dedent(FILL).split("with Store")[0] + "StoreWriter(Path(sys.argv[1]), **options)\n"
    script += "import os; os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "store")], check=False)
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) == 1
    options = {"tokenizer": "t", "dtype": "u8", "stage": "pretrain", "source": "s", "licence": "l"}
    with StoreWriter(tmp_path / "store", name="s", **options):
        assert left[0] not in os.listdir(tmp_path)
        living = os.listdir(tmp_path)
        with StoreWriter(tmp_path / "store", name="s", **options):
            assert set(living) < set(os.listdir(tmp_path))
    assert os.listdir(tmp_path) == []


def test_a_directory_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="failed"):
        write_store(tmp_path / "file" / "store", [[1]])
