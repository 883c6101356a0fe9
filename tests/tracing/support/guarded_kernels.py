"""The kernels on random bytes that lie before unreadable memory, in a process of their own: `CASES`."""

import ctypes
import mmap
import sys

import numpy as np
from numpy.typing import NDArray

from tracing.core.matching import kernels, surroundings
from tracing.core.matching.query import MET_NUMBERS
from tracing.core.matching.words import Table
from tracing.core.stores.heads import Tree
from tracing.core.stores.layout import block_count
from tracing.core.stores.words import WORD_BYTES

PAGE, LIBC = mmap.PAGESIZE, ctypes.CDLL(None)


def guarded(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy that ends where an unreadable page begins."""
    size = -(-max(data.size, 1) // PAGE) * PAGE
    whole = np.frombuffer(mmap.mmap(-1, size + 2 * PAGE), dtype=np.uint8)
    for start in (0, size + PAGE):
        address = ctypes.c_void_p(whole.ctypes.data + start)
        if LIBC.mprotect(address, ctypes.c_size_t(PAGE), 0):
            raise OSError("A page cannot be protected.")
    copy = whole[PAGE + size - data.size : PAGE + size]
    copy[:] = data
    return copy


def bytes_of(rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Random bytes that cannot be written, often of two values only."""
    data = guarded(rng.integers(0, int(rng.choice([2, 256])), size).astype(np.uint8))
    data.flags.writeable = False
    return data


def case(rng: np.random.Generator) -> None:
    """Every search kernel once, on one random shard."""
    width, pointer, entries = int(rng.choice([1, 2, 4])), int(rng.integers(1, 6)), int(rng.integers(1, 60))
    data, size = bytes_of(rng, entries * width), entries * width
    pointers = rng.integers(0, size if rng.random() < 0.9 else 300, entries)
    if rng.random() < 0.8:
        pointers -= pointers % width
    table = guarded(pointers.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :pointer].ravel())
    states = [guarded(np.zeros(1, dtype=np.uint8)) for _ in range(4)]
    tree = Tree(entries, int(rng.integers(0, 3)), has_lcps=bool(rng.random() < 0.7))
    lcps = rng.integers(0, int(rng.choice([16, 256])), entries).astype(np.uint8) if tree.has_lcps else None
    used = tree.lcp_starts[-1] if tree.has_lcps else tree.words * WORD_BYTES
    heads = guarded(tree.laid_out(random_words(rng, tree.heads), lcps)[:used])
    if rng.random() < 0.5:
        heads = bytes_of(rng, heads.size)
    states[3] = guarded(np.zeros(block_count(used), dtype=np.uint8))
    layout = guarded(tree.layout.view(np.uint8))
    addresses = (array.ctypes.data for array in (data, table, *states[:2], heads, states[3], layout))
    shard = Table._make([*addresses, size, width, pointer])
    search(shard, rng)
    offsets = guarded(rng.integers(0, size + 9, 5).astype("<u8").view(np.uint8)).view("<u8")
    offsets.flags.writeable = False
    ranks, found = rng.integers(-1, entries + 1, 9), np.empty((9, 4), dtype=np.int64)
    surroundings.locate(shard, offsets, states[2], ranks, found)


def random_words(rng: np.random.Generator, count: int) -> NDArray[np.uint64]:
    """Words in order, often the same."""
    return np.sort(rng.integers(0, int(rng.choice([2, 1 << 63])), count).astype(np.uint64))


def search(shard: Table, rng: np.random.Generator) -> None:
    tokens, entries = int(rng.integers(1, 40)), shard.size // shard.width
    text = bytes_of(rng, tokens * shard.width)
    gaps = np.sort(rng.integers(0, tokens, int(rng.integers(0, 3))))
    reaches = np.arange(tokens)
    met, room = np.full((tokens, MET_NUMBERS), -1), guarded(np.zeros(kernels.ROOM_BYTES, dtype=np.uint8))
    if kernels.extend_reaches(shard, text, gaps, room, 0, tokens, reaches, met) == kernels.OK:
        assert (reaches >= np.arange(tokens)).all()
        assert (reaches <= tokens).all()
    starts = rng.integers(0, tokens, 9)
    known = int(rng.integers(0, 3))
    stops = np.maximum(starts + known, starts + 1 + rng.integers(0, tokens, 9)).clip(max=tokens)
    lows, highs = np.sort(rng.integers(0, entries + 1, (2, 9)), axis=0)
    kernels.find_ranges(shard, text, gaps, room, known, starts, stops, lows, highs, met)


if __name__ == "__main__":
    generator = np.random.default_rng(1)
    for _ in range(int(sys.argv[1])):
        case(generator)
