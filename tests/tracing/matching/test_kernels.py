"""The kernels on larger stores, on bytes that mean nothing, and what they keep between searches."""

import bisect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tracing.matching.test_search import search
from tests.tracing.support.brute import suffixes
from tests.tracing.support.stores import stores_of, write_store
from tracing.core.errors import StoreDamaged
from tracing.core.matching.corpus import Corpus
from tracing.core.matching.spans import maximal_spans
from tracing.core.stores.layout import TOKEN_TYPES
from tracing.core.stores.store import TokenStore

ROOT = Path(__file__).parents[3]


def lengths_by_bisection(documents: list[list[int]], kind: str, query: list[int]) -> list[int]:
    """m(i) for every i, of the neighbours of query[i:] among all sorted suffixes."""
    width, ordered = TOKEN_TYPES[kind].width_bytes, suffixes(documents, kind)
    text, lengths = b"".join(token.to_bytes(width, "little") for token in query), []
    for start in range(0, len(text), width):
        at = bisect.bisect_left(ordered, text[start:])
        lengths.append(max(shared(text[start:], near) for near in ordered[max(0, at - 1) : at + 1]) // width)
    return lengths


def shared(one: bytes, other: bytes) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


@pytest.mark.parametrize("kind", ["u8", "u16", "u32"])
@pytest.mark.parametrize("vocabulary", [2, 6, 250])
@pytest.mark.parametrize("stores", [1, 3])
def test_long_texts_match_in_large_stores_as_by_bisection(kind: str, vocabulary: int, stores: int) -> None:
    rng = np.random.default_rng([vocabulary, stores])
    documents = [rng.zipf(1.3, rng.integers(0, 200)).clip(max=vocabulary).tolist() for _ in range(40)]
    documents += [documents[3] + documents[5], documents[3][10:], []]
    parts = [part[start:] for part in documents[::3] for start in (0, 7, 31)]
    query = [token for part in parts for token in [*part[:60], int(rng.integers(0, vocabulary + 2))]]
    assert len(query) > 1024
    with stores_of(*(documents[n::stores] for n in range(stores)), dtype=kind) as opened:
        corpus = Corpus(opened)
        for _ in range(2):  # the second time, the searches meet words that they have kept
            lengths, spans = search(corpus, query)
            expected = np.max(
                [lengths_by_bisection(documents[n::stores], kind, query) for n in range(stores)], 0
            )
            assert lengths == expected.tolist()
            assert list(spans) == maximal_spans(expected)


def test_no_kernel_reads_or_writes_outside_its_arrays_whatever_they_hold() -> None:
    command = [sys.executable, "-m", "tests.tracing.support.guarded_kernels", "3000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_words_kept_from_a_store_that_was_altered_are_forgotten_when_it_is_restored(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    documents = [rng.integers(0, 50, 400).tolist() for _ in range(20)]
    query = [token for document in documents[:6] for token in document[:30]]
    write_store(tmp_path / "store", documents).close()
    path = tmp_path / "store" / "tokenized.0"
    content = path.read_bytes()
    with TokenStore.open(tmp_path / "store", check_at_open_bytes=0) as store:
        path.write_bytes(bytes(byte ^ 1 for byte in content))
        with pytest.raises(StoreDamaged):
            search(Corpus([store]), query)
        path.write_bytes(content)
        assert search(Corpus([store]), query)[0] == lengths_by_bisection(documents, "u16", query)
