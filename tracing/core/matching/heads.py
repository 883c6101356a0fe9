"""The first steps of searches: down the tree of heads to the few ranks between two of them."""

import numpy as np

from tracing.core.matching.lcps import expect
from tracing.core.matching.search import (
    AFTER,
    HEAD,
    HIGH,
    HIGH_SHARED,
    LANE_BYTES,
    LOW,
    LOW_SHARED,
    OK,
    START,
    STOP,
    WORD,
    compare,
)
from tracing.core.matching.words import (
    DAMAGED,
    Table,
    entry,
    layout,
    tokens_of,
    touch,
)
from tracing.core.native import (
    ALL_ONES,
    ONE,
    ZERO,
    Int,
    Word,
    compiled,
    equal_bytes,
    inlined,
    load_long,
    load_word,
    prefetch,
    store_long,
    word_at,
)
from tracing.core.stores.heads import DEPTH, FIRST_LEVEL, HEADS, LEVEL_NUMBERS, NODE_WORDS, SHIFT
from tracing.core.stores.words import WORD_BYTES

NODE_BYTES = NODE_WORDS * WORD_BYTES


@compiled
def enter(shard: Table, text: Int, lanes: Int, count: Int) -> int:
    """Narrow the first `count` lanes from the whole table to the ranks between two heads: OK or DAMAGED.

    Heads that equal the word sought are left inside: only what follows could tell which of their suffixes
    come before it.
    """
    depth, end = layout(shard, DEPTH), lanes + count * LANE_BYTES
    for lane in range(lanes, end, LANE_BYTES):
        store_long(lane + WORD, np.int64(_sought(text, lane)))
        store_long(lane + HEAD, 0)
    for level in range(depth):
        for lane in range(lanes, end, LANE_BYTES):
            head = _descend(shard, level, load_long(lane + HEAD), load_word(lane + WORD))
            store_long(lane + HEAD, head)
            if level + 1 < depth:
                _expect(shard, level + 1, head)
    for lane in range(lanes, end, LANE_BYTES):
        if _bound(shard, text, lane) == DAMAGED:
            return DAMAGED
    return OK


@inlined
def _bound(shard: Table, text: Int, lane: Int) -> int:
    """Set the lane's ranks, HEAD heads being smaller than WORD: OK or DAMAGED."""
    shift, heads, word = layout(shard, SHIFT), layout(shard, HEADS), load_word(lane + WORD)
    before, size = min(load_long(lane + HEAD), heads), load_long(lane + STOP) - load_long(lane + START)
    after, low, low_shared = _first_above(shard, before, word), _zero(), _zero()
    high, high_shared = tokens_of(shard, shard.size), _zero()
    if before > 0:
        low, low_shared = ((before - 1) << shift) + 1, _shared_with(shard, before - 1, word, text, lane)
    if after < heads:
        high, high_shared = after << shift, min(equal_bytes(_head(shard, after), word), size)
    expect(shard, low, high)
    store_long(lane + LOW, low)
    store_long(lane + HIGH, high)
    store_long(lane + LOW_SHARED, low_shared)
    store_long(lane + HIGH_SHARED, high_shared)
    return DAMAGED if low_shared < 0 else OK


@inlined
def _sought(text: Int, lane: Int) -> Word:
    """The first word sought, ones after its end if the lane shall stand after all that begin with it."""
    start, stop = load_long(lane + START), load_long(lane + STOP)
    word = word_at(text, stop, start)
    if load_long(lane + AFTER) and stop - start < WORD_BYTES:
        word |= ALL_ONES >> np.uint64(8 * (stop - start))
    return word


@compiled
def _first_above(shard: Table, head: Int, word: Word) -> Int:
    """The first head above `word` from `head` on, where none is below it; or how many heads there are."""
    depth, heads = layout(shard, DEPTH), layout(shard, HEADS)
    if head >= heads or _head(shard, head) > word:
        return head
    found = _zero()
    for level in range(depth):
        found = _descend(shard, level, found, word + ONE)
    return max(head, min(found, heads)) if word < ALL_ONES else heads


@inlined
def _descend(shard: Table, level: Int, before: Int, word: Word) -> Int:
    """How many words of a level are smaller than `word`, if `before` of the level above are."""
    node = _node(shard, level, before)
    place = _place(shard, level, node)
    touch(shard.heads_state, shard.heads, place - shard.heads)
    smaller = np.int64(0)
    for number in range(NODE_WORDS):
        smaller += np.int64(load_word(place + number * WORD_BYTES) < word)
    return node * NODE_WORDS + smaller


@inlined
def _expect(shard: Table, level: Int, before: Int) -> None:
    """Have the node that `_descend` will read on its way to the cache."""
    place = _place(shard, level, _node(shard, level, before))
    prefetch(place)
    prefetch(place + NODE_BYTES // 2)


@inlined
def _node(shard: Table, level: Int, before: Int) -> Int:
    """The node below the last of `before` words, one of the level's whatever these are."""
    return min(max(before - 1, 0), layout(shard, FIRST_LEVEL + LEVEL_NUMBERS * level + 1) - 1)


@inlined
def _place(shard: Table, level: Int, node: Int) -> Int:
    """Where a node lies in memory."""
    return shard.heads + layout(shard, FIRST_LEVEL + LEVEL_NUMBERS * level) + node * NODE_BYTES


@inlined
def _zero() -> Int:
    return np.int64(0)


@inlined
def _head(shard: Table, number: Int) -> Word:
    """A head, its block marked."""
    level = layout(shard, DEPTH) - 1
    place = _place(shard, level, 0) + number * WORD_BYTES
    touch(shard.heads_state, shard.heads, place - shard.heads)
    return Word(load_word(place))


@inlined
def _shared_with(shard: Table, number: Int, word: Word, text: Int, lane: Int) -> Int:
    """How many of the bytes sought a head's suffix begins with, or DAMAGED.

    Zeros at the end of a head may be the data's, or may stand after their end: there the suffix itself is
    looked at.
    """
    head, start, stop = _head(shard, number), load_long(lane + START), load_long(lane + STOP)
    shared: Int = min(equal_bytes(head, word), stop - start)
    if shared and head << np.uint64(8 * (shared - 1)) == ZERO:
        position = entry(shard, number << layout(shard, SHIFT))
        if position < 0:
            return DAMAGED
        shared = compare(shard, position, text, start, stop, _zero())[0] >> 3
    return shared
