"""Checksums of 64 KiB blocks: written once with a store, checked when a query first touches a block."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from tracing.core.stores.layout import BLOCK_BYTES, DATA_FILES

READ_BYTES = 64 * BLOCK_BYTES


def checksum(block: bytes | memoryview) -> int:
    """xxh3, 64 bits, of one block."""
    return xxhash.xxh3_64_intdigest(block)


def digest_file(path: Path) -> tuple[str, list[int]]:
    """The digest "sha256:<hex>" of a file, and the checksum of each of its blocks, in one reading."""
    whole, checksums = hashlib.sha256(), []
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            whole.update(data)
            checksums += [checksum(block) for block in _blocks(memoryview(data))]
    return "sha256:" + whole.hexdigest(), checksums


def encode_checksums(checksums: dict[str, list[int]]) -> bytes:
    """Content of blocks.N: u64 little-endian, the files in the order of `layout.DATA_FILES`."""
    return np.array([c for stem in DATA_FILES for c in checksums[stem]], dtype="<u8").tobytes()


def split_checksums(content: bytes, counts: dict[str, int]) -> dict[str, NDArray[np.uint64]]:
    """The inverse of `encode_checksums`, given each file's number of blocks."""
    values, start, split = np.frombuffer(content, dtype="<u8"), 0, {}
    for stem in DATA_FILES:
        split[stem] = values[start : start + counts[stem]]
        start += counts[stem]
    return split


def _blocks(data: memoryview) -> Iterator[memoryview]:
    return (data[start : start + BLOCK_BYTES] for start in range(0, len(data), BLOCK_BYTES))
