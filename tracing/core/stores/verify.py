"""Checking a store from end to end: every byte against its digest, every file against the others."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import StoreDamaged
from tracing.core.stores.blocks import digest_file, encode_checksums
from tracing.core.stores.heads import STEM as HEADS
from tracing.core.stores.layout import BLOCKS, DATA_FILES
from tracing.core.stores.manifest import Manifest, sha256
from tracing.core.stores.shard import Shard
from tracing.core.stores.store import TokenStore
from tracing.core.stores.suffix_order import check_all_suffixes, check_some_suffixes

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Verification:
    """What was found sound: the store's manifest, the bytes read, the suffixes whose order was checked."""

    manifest: Manifest
    size_bytes: int
    suffixes: int


def verify_store(
    path: Path, *, suffixes: int | None = None, progress: Progress | None = None
) -> Verification:
    """Check every file of the store at `path` against the manifest and against each other.

    `suffixes` neighbours in the suffix array, drawn at random, are compared; by default all of them,
    which takes 12 bytes of memory a token. `progress` is called with a phase and its done share.
    Raises StoreMissing or StoreDamaged, naming the first file found wrong.
    """
    report = progress or (lambda phase, share: None)
    with TokenStore.open(path) as store:
        size_bytes = _check_digests(store, report)
        checked = 0
        for number, shard in enumerate(store.shards):
            report("documents", number / len(store.shards))
            _check_documents(shard)
            _check_metadata(shard)
            _check_unigrams(shard)
            report("suffix array", number / len(store.shards))
            _check_heads(shard)
            checked += check_all_suffixes(shard) if suffixes is None else check_some_suffixes(shard, suffixes)
        report("suffix array", 1.0)
        return Verification(store.manifest, size_bytes, checked)


def _check_digests(store: TokenStore, report: Progress) -> int:
    """Bytes of all files, once each has the digest of the manifest and the checksums of blocks.N."""
    total, done = sum(file.size_bytes for file in store.manifest.files.values()), 0
    for number in range(len(store.shards)):
        checksums = {}
        for stem in DATA_FILES:
            name = f"{stem}.{number}"
            digest, checksums[stem] = digest_file(store.path / name)
            _require(digest == store.manifest.files[name].digest, store.path / name, "has another digest")
            done += store.manifest.files[name].size_bytes
            report("digests", done / total)
        blocks = f"{BLOCKS}.{number}"
        done += store.manifest.files[blocks].size_bytes
        right = sha256(encode_checksums(checksums)) == store.manifest.files[blocks].digest
        _require(right, store.path / blocks, "does not have the blocks' checksums")
        report("digests", done / total)
    return total


def _check_documents(shard: Shard) -> None:
    """The separators stand where offset.N says, and nowhere else; each file begins with one."""
    tokens = shard.tokenized.read(0, shard.tokenized.size_bytes).view(shard.kind.numpy)
    offsets = shard.offset.read(0, shard.offset.size_bytes).view("<u8")
    separators = np.flatnonzero(tokens == shard.kind.separator) * shard.kind.width_bytes
    right = np.array_equal(separators.astype("<u8"), offsets) and offsets[0] == 0
    _require(right, shard.offset.path, "does not say where documents start")


def _check_metadata(shard: Shard) -> None:
    """Every document has one line, a JSON object, at the offset that metaoff.N gives."""
    lines, offsets = shard.files["metadata"], shard.files["metaoff"]
    starts = offsets.read(0, offsets.size_bytes).view("<u8").tolist()
    content = lines.read(0, lines.size_bytes).tobytes()
    for start, stop in itertools.pairwise([*starts, lines.size_bytes]):
        right = start < stop and content[start:stop].find(b"\n") == stop - start - 1
        _require(right, offsets.path, "does not say where lines start")
        _require(_is_object(content[start:stop]), lines.path, f"has no JSON object at {start}")
    _require(starts[0] == 0, offsets.path, "does not start with the first line")


def _check_unigrams(shard: Shard) -> None:
    tokens = shard.tokenized.read(0, shard.tokenized.size_bytes).view(shard.kind.numpy)
    counts: dict[int, int] = {}
    for chunk in _chunks(tokens):
        for token, count in zip(*(a.tolist() for a in np.unique(chunk, return_counts=True)), strict=True):
            counts[token] = counts.get(token, 0) + count
    right = dict(shard.unigrams().tolist()) == counts
    _require(right, shard.files["unigram"].path, "does not count the tokens")


def _check_heads(shard: Shard) -> None:
    if file := shard.files.get(HEADS):
        tree = shard.heads.tree
        lcps = shard.take_lcps() if tree.has_lcps else None
        right = np.array_equal(file.read(0, tree.size_bytes), tree.laid_out(shard.take_heads(tree), lcps))
        _require(right, file.path, "does not hold the first words of its suffixes and what these share")


def _chunks(tokens: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (tokens[start : start + (1 << 22)] for start in range(0, tokens.size, 1 << 22))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _require(right: bool, path: Path, fault: str) -> None:
    if not right:
        raise StoreDamaged(f"{path} {fault}: restore or rebuild the store.")
