"""Suffix arrays of token files, in byte-lexicographic order, as infini-gram's indexer writes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydivsufsort import divsufsort

from tracing.core.stores.layout import TokenType, pointer_bytes

CHUNK_POINTERS = 1 << 20


def sorted_positions(data: NDArray[np.uint8], width_bytes: int) -> Iterator[NDArray[Any]]:
    """Byte positions of the tokens in `data`, sorted by the bytes that follow them, in chunks.

    `data` is a whole tokenized file, below 2^31 bytes, `width_bytes` to a token. A suffix that is a
    prefix of another comes first. All bytes are sorted, then the positions inside tokens dropped:
    about 5 bytes of memory a byte of data.
    """
    order: NDArray[Any] = divsufsort(data)
    for start in range(0, order.size, CHUNK_POINTERS):
        chunk = order[start : start + CHUNK_POINTERS]
        yield chunk[chunk % width_bytes == 0]


def write_table(tokenized: Path, table: Path, kind: TokenType) -> None:
    """Write the suffix array of the file `tokenized` to `table`, each pointer in the fewest bytes."""
    data = np.fromfile(tokenized, dtype=np.uint8)
    width = pointer_bytes(data.size)
    with table.open("wb") as out:
        for positions in sorted_positions(data, kind.width_bytes):
            out.write(positions.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes())
