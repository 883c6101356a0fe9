"""How kernels read a shard: eight bytes at a time, every pointer checked, every block that is read marked.

Suffixes are compared by words: eight of their bytes as a big-endian number, so that comparing numbers
compares bytes. No function here reads outside the arrays, whatever they hold.
"""

from mmap import MADV_WILLNEED
from typing import Any, NamedTuple

import numpy as np
from numba import types

from tracing.core.native import (
    Int,
    Word,
    compiled,
    inlined,
    load_byte,
    load_long,
    load_pointer,
    store_byte,
    word_at,
)
from tracing.core.stores.layout import BLOCK_BYTES
from tracing.core.stores.mapped_file import SOUND, TOUCHED, UNSEEN
from tracing.core.stores.words import WORD_BYTES

DAMAGED = -1
BLOCK_SHIFT = BLOCK_BYTES.bit_length() - 1


class Table(NamedTuple):
    """A shard as kernels see it: where its arrays lie in memory, and their sizes, in this order.

    `data` is tokenized.N, of `size` bytes, `width` to a token; `table` is table.N, `pointer` bytes to an
    entry. `*_state` are the block states of `mapped_file`: a kernel marks each block that it reads, the
    caller has the marked ones checked. `heads` are the first words of some suffixes and what neighbouring
    suffixes share, `levels` their `layout` (`stores.heads`).
    """

    data: Int
    table: Int
    data_state: Int
    table_state: Int
    heads: Int
    heads_state: Int
    levels: Int
    size: Int
    width: Int
    pointer: Int


_advise: Any = types.ExternalFunction("madvise", types.int32(types.int64, types.int64, types.int32))


@inlined
def touch(state: Int, data: Int, position: Int) -> None:
    """Mark the block of a byte, and have all of one that is new read at once: its checksum will need it."""
    if load_byte(state + (position >> BLOCK_SHIFT)) != SOUND:
        _mark(state, data, position >> BLOCK_SHIFT)


@inlined
def touch_all(state: Int, data: Int, first: Int, last: Int) -> None:
    """Mark the blocks of two bytes, a few apart."""
    touch(state, data, first)
    if first >> BLOCK_SHIFT != last >> BLOCK_SHIFT:
        touch(state, data, last)


@compiled
def _mark(state: Int, data: Int, block: Int) -> None:
    if load_byte(state + block) == UNSEEN:
        _advise(data + (block << BLOCK_SHIFT), BLOCK_BYTES, MADV_WILLNEED)
    store_byte(state + block, TOUCHED)


@inlined
def layout(shard: Table, number: Int) -> Int:
    """A number of the layout of the heads."""
    return np.int64(load_long(shard.levels + number * WORD_BYTES))


@inlined
def entry(shard: Table, rank: Int) -> Int:
    """The table's entry at `rank` (of the table): a token's byte position, or DAMAGED where it is none."""
    start = rank * shard.pointer
    position = load_pointer(shard.table + start, shard.pointer)
    touch_all(shard.table_state, shard.table, start, start + shard.pointer - 1)
    if position < 0 or position >= shard.size or position & (shard.width - 1):
        return DAMAGED
    return position


@inlined
def tokens_of(shard: Table, size: Int) -> Int:
    """How many whole tokens so many bytes hold: a width is 1, 2 or 4, and to divide takes far longer."""
    return size >> (shard.width >> 1)


@inlined
def suffix_word(shard: Table, position: Int) -> Word:
    """The word at a byte position that may lie after the end, its blocks marked."""
    last = shard.size - 1
    if position <= last:
        touch_all(shard.data_state, shard.data, position, min(position + WORD_BYTES - 1, last))
    return word_at(shard.data, shard.size, position)
