"""Binary searches in one shard's suffix array, side by side.

What is searched for is `text`, the address of its bytes as the shard's token type holds them. A search is a
column of `lanes`, a *lane*: it looks for the bytes START..STOP of the text among the suffixes of the ranks
LOW..HIGH, and ends at the one rank before which they would stand in the table, LOW and HIGH alike.
LOW_SHARED and HIGH_SHARED are how many of those bytes the suffixes of ranks LOW - 1 and HIGH begin with, or
fewer: all suffixes between share the smaller number of the two, which is not compared again.

All searches halve the same intervals, a binary tree: NODE 1 is the whole table, 2n and 2n + 1 the halves of
node n. The shard's `top` keeps the complements of the words in the middle of its first nodes, 0 for those
not met yet: most searches read the files for their last steps only.
"""

from typing import Final

import numpy as np

from tracing.core.matching.words import (
    DAMAGED,
    WORD_BYTES,
    ZERO,
    Int,
    Longs,
    Table,
    Word,
    compiled,
    entry,
    equal_bytes,
    load_byte,
    load_word,
    prefetch,
    store_word,
    suffix_word,
    word_at,
)

OK: Final = 0
ROWS: Final = 9
START, STOP, LOW, HIGH, NODE, LOW_SHARED, HIGH_SHARED, AFTER, POSITION = range(ROWS)
OUTSIDE: Final = -2  # no position: the word in `top` decides


@compiled
def insert(shard: Table, text: Int, lanes: Longs, count: Int) -> int:
    """Narrow the first `count` lanes until LOW == HIGH: OK or DAMAGED.

    AFTER is 1 to stand after all suffixes that begin with the bytes sought, 0 to stand before them. All
    lanes take each step together, so that they wait for memory side by side and not one after the other.
    """
    going = count
    while going > 0:
        going = 0
        for n in range(count):
            low, high = lanes[LOW, n], lanes[HIGH, n]
            if low < high:
                going += 1
                word = word_at(text, lanes[STOP, n], lanes[START, n])
                position = _position(shard, (low + high) >> 1, lanes[NODE, n], word)
                if position == DAMAGED:
                    return DAMAGED
                lanes[POSITION, n] = position
        for n in range(count):
            low, high, node, position = lanes[LOW, n], lanes[HIGH, n], lanes[NODE, n], lanes[POSITION, n]
            if low >= high:
                continue
            start, stop = lanes[START, n], lanes[STOP, n]
            if position == OUTSIDE:
                known, word = ~load_word(shard.top + node * WORD_BYTES), word_at(text, stop, start)
                shared, before = min(equal_bytes(known, word), stop - start), _one_if(known < word)
            else:
                _keep(shard, node, position)
                depth = min(lanes[LOW_SHARED, n], lanes[HIGH_SHARED, n])
                shared = shared_bytes(shard, position, text, start, stop, depth)
                before = _is_before(shard, position + shared, text, start + shared, stop)
            if shared == stop - start:
                before = lanes[AFTER, n]
            middle = (low + high) >> 1
            lanes[LOW, n] += before * (middle + 1 - low)
            lanes[HIGH, n] += (1 - before) * (middle - high)
            lanes[LOW_SHARED, n] += before * (shared - lanes[LOW_SHARED, n])
            lanes[HIGH_SHARED, n] += (1 - before) * (shared - lanes[HIGH_SHARED, n])
            lanes[NODE, n] = 2 * node + before
            _expect(shard, (lanes[LOW, n] + lanes[HIGH, n]) >> 1, lanes[NODE, n])
    return OK


@compiled
def _expect(shard: Table, rank: Int, node: Int) -> None:
    """Have what the next step reads first on its way to the cache."""
    if node < shard.top_words:
        prefetch(shard.top + node * WORD_BYTES)
    else:
        prefetch(shard.table + rank * shard.pointer)


@compiled
def _position(shard: Table, rank: Int, node: Int, word: Word) -> Int:
    """The position of the suffix at `rank`, on its way to the cache; OUTSIDE if its first word is known and
    is not `word`; or DAMAGED."""
    if node < shard.top_words:
        known = load_word(shard.top + node * WORD_BYTES)
        if known != ZERO and ~known != word:
            return OUTSIDE
    position = entry(shard, rank)
    if position >= 0:
        prefetch(shard.data + position)
    return position


@compiled
def _keep(shard: Table, node: Int, position: Int) -> None:
    """Keep the first word of the suffix at `position` for `node`, unless the data ends inside it."""
    if node < shard.top_words and position + WORD_BYTES <= shard.size:
        store_word(shard.top + node * WORD_BYTES, ~suffix_word(shard, position))


@compiled
def shared_bytes(shard: Table, position: Int, text: Int, start: Int, stop: Int, depth: Int) -> Int:
    """Bytes of text[start:stop] that the suffix at `position` begins with, `depth` or more."""
    shared, most = depth, min(stop - start, shard.size - position)
    while shared < most:
        equal = equal_bytes(suffix_word(shard, position + shared), word_at(text, stop, start + shared))
        shared += equal
        if equal < WORD_BYTES:
            break
    return min(shared, most)


@compiled
def _is_before(shard: Table, position: Int, text: Int, place: Int, stop: Int) -> Int:
    """1 if the data's byte, or its end, comes before the text's, which has another or ends at `stop`."""
    if position >= shard.size or place >= stop:
        return _one_if(position >= shard.size)
    return _one_if(load_byte(shard.data + position) < load_byte(text + place))


@compiled
def _one_if(holds: bool | np.bool) -> Int:
    return np.int64(holds)
