"""Compiling, or loading, the search kernels before the first request needs them."""

import numpy as np

from tracing.core.arrays import Bytes
from tracing.core.matching import kernels, surroundings
from tracing.core.matching.query import MET_NUMBERS
from tracing.core.matching.words import Table
from tracing.core.stores.heads import Tree, kept_heads
from tracing.core.stores.mapped_file import SOUND
from tracing.core.stores.words import words_at


def warm_up() -> None:
    """Run every kernel once on a store of one document with one token.

    About ten seconds in all the first time on a machine, a tenth of one when a process before has
    left its compiled code beside the source (or in numba's cache directory).
    """
    data, table, text = _read_only([255, 255, 1, 0]), _read_only([2, 0]), _read_only([1, 0])
    offsets = _read_only([0] * 8).view("<u8")
    data_state, table_state, offset_state = (np.full(1, SOUND, dtype=np.uint8) for _ in range(3))
    zero, one, none = (np.full(size, value, dtype=np.int64) for size, value in ((1, 0), (1, 1), (0, 0)))
    heads = kept_heads(Tree(2), words_at(data, np.array([2])), np.zeros(2, dtype=np.uint8))
    places = (data, table, data_state, table_state, heads.data, heads.state, heads.tree.layout)
    shard = Table._make([*(array.ctypes.data for array in places), data.size, 2, 1])
    found = np.zeros((1, 4), dtype=np.int64)
    room = np.empty(kernels.ROOM_BYTES, dtype=np.uint8)
    met = np.full((1, MET_NUMBERS), -1, dtype=np.int64)
    kernels.extend_reaches(shard, text, none, room, 0, 1, zero.copy(), met)
    kernels.find_ranges(shard, text, none, room, 0, zero, one, zero.copy(), zero.copy(), met)
    surroundings.locate(shard, offsets, offset_state, zero, found)
    slots, weights = np.zeros(2, dtype=np.int32), np.ones(1)
    windows = np.array([[2, 4]])
    surroundings.score_windows(data, data_state, 2, windows, slots, weights, 1.5, 0.75, 1.0, np.zeros(1))


def _read_only(values: list[int]) -> Bytes:
    data = np.array(values, dtype=np.uint8)
    data.flags.writeable = False
    return data
