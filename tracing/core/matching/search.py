"""Binary searches in one shard's suffix array, by words.

What is searched for is `text`, the address of its bytes as the shard's token type holds them: the bytes
start..stop of it. `depth` is how many of them all suffixes under comparison begin with. Ranks are places
in the table. Every function returns DAMAGED (negative) where the table points outside the data.
"""

import numpy as np

from tracing.core.matching.words import (
    ALL_ONES,
    DAMAGED,
    EIGHT,
    ONE,
    WORD_BYTES,
    ZERO,
    Int,
    Longs,
    Table,
    Word,
    Words,
    compiled,
    entry,
    equal_bytes,
    load_word,
    store_word,
    suffix_word,
    word_at,
)

OK = 0
OUTSIDE = -2  # no position: the step is one within `top`
GALLOP_STEPS = 16  # the end of a range wider than this is searched for from the top


@compiled
def is_before(shard: Table, position: Int, word: Word, valid: Int) -> Int:
    """1 if the bytes from `position` on come before the first `valid` bytes of `word`, zeros after these."""
    found = suffix_word(shard, position)
    return 1 if found < word or (found == word and shard.size - position < valid) else 0


@compiled
def lower_bound_within(shard: Table, low: Int, high: Int, depth: Int, word: Word, valid: Int) -> Int:
    """The first rank of low..high whose suffix does not go on before `word`; `high` if there is none."""
    while low < high:
        middle = (low + high) >> 1
        position = entry(shard, middle)
        if position < 0:
            return DAMAGED
        if is_before(shard, position + depth, word, valid):
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def lower_bound(shard: Table, word: Word, valid: Int) -> Int:
    """The first rank whose suffix is not before the first `valid` bytes of `word`, zeros after these.

    All such searches halve the same intervals, a binary tree: node 1 is the whole table, 2n and 2n + 1
    the halves of node n. `top` keeps the complements of the words in the middle of its first nodes, 0
    for those not met yet: a search then reads the files for its last steps only.
    """
    low: Int = np.int64(0)
    high: Int = np.int64(shard.size // shard.width)
    node: Int = np.int64(1)
    while low < high and node < shard.top_words:
        middle = (low + high) >> 1
        known = load_word(shard.top + node * WORD_BYTES)
        if known != ZERO:
            before: Int = np.int64(~known < word)
        else:
            before = _first_look(shard, middle, node, word, valid)
            if before < 0:
                return DAMAGED
        low = middle + 1 if before else low
        high = high if before else middle
        node = 2 * node + before
    return lower_bound_within(shard, low, high, 0, word, valid)


@compiled
def lower_bounds(shard: Table, words: Words, valid: Longs, scratch: Longs, count: Int) -> int:
    """`lower_bound` of the first `count` words, in scratch[0]: OK or DAMAGED.

    All take each step together, so that they wait for memory side by side and not one after the other.
    scratch has shape [4, words].
    """
    lows, highs, nodes, positions = scratch[0], scratch[1], scratch[2], scratch[3]
    lows[:count], highs[:count], nodes[:count] = 0, shard.size // shard.width, 1
    going = count
    while going > 0:
        going = 0
        for n in range(count):
            positions[n] = OUTSIDE
            if lows[n] < highs[n] and nodes[n] >= shard.top_words:
                positions[n] = entry(shard, (lows[n] + highs[n]) >> 1)
                if positions[n] < 0:
                    return DAMAGED
        for n in range(count):
            if lows[n] >= highs[n]:
                continue
            going += 1
            middle = (lows[n] + highs[n]) >> 1
            if positions[n] != OUTSIDE:
                before = is_before(shard, positions[n], words[n], valid[n])
            else:
                known = load_word(shard.top + nodes[n] * WORD_BYTES)
                before = np.int64(~known < words[n])
                if known == ZERO:
                    before = _first_look(shard, middle, nodes[n], words[n], valid[n])
                    if before < 0:
                        return DAMAGED
            lows[n] += before * (middle + 1 - lows[n])
            highs[n] += (1 - before) * (middle - highs[n])
            nodes[n] = 2 * nodes[n] + before
    return OK


@compiled
def _first_look(shard: Table, rank: Int, node: Int, word: Word, valid: Int) -> Int:
    """`is_before` of the suffix at `rank`, whose first word is kept unless the data ends inside it."""
    position = entry(shard, rank)
    if position < 0:
        return DAMAGED
    if position + WORD_BYTES <= shard.size:
        store_word(shard.top + node * WORD_BYTES, ~suffix_word(shard, position))
    return np.int64(is_before(shard, position, word, valid))


@compiled
def range_end(shard: Table, low: Int, high: Int, depth: Int, word: Word, valid: Int) -> Int:
    """The first rank of low..high whose suffix does not go on with the first `valid` bytes of `word`.

    The suffix at low - 1 does. Doubling steps, since most ranges are small, then halving.
    """
    last = word if valid >= WORD_BYTES else word | (ALL_ONES >> (np.uint64(valid) * EIGHT))
    step, whole = 1, depth == 0 and last != ALL_ONES
    while low < high:
        middle = min(low + step, high) - 1 if step else (low + high) >> 1
        position = entry(shard, middle)
        if position < 0:
            return DAMAGED
        if suffix_word(shard, position + depth) <= last:
            low, step = middle + 1, 2 * step
            if whole and step > GALLOP_STEPS:
                return lower_bound(shard, last + ONE, 0)
        else:
            high, step = middle, 0
    return low


@compiled
def shared_bytes(shard: Table, rank: Int, text: Int, start: Int, stop: Int, depth: Int) -> Int:
    """Bytes of text[start:stop] that the suffix at `rank` begins with, in whole tokens; not below `depth`."""
    position = entry(shard, rank)
    if position < 0:
        return DAMAGED
    shared, most = depth, min(stop - start, shard.size - position)
    while shared < most:
        equal = equal_bytes(suffix_word(shard, position + shared), word_at(text, stop, start + shared))
        shared += equal
        if equal < WORD_BYTES:
            break
    return max(depth, min(shared, most) & -shard.width)


@compiled
def shared_by_all(shard: Table, low: Int, high: Int, text: Int, start: Int, stop: Int, depth: Int) -> Int:
    """How many bytes of text[start:stop] the suffixes low..high all begin with: those that both ends do."""
    shared = shared_bytes(shard, low, text, start, stop, depth)
    if high - low == 1 or shared <= depth:
        return shared
    return min(shared, shared_bytes(shard, high - 1, text, start, stop, depth))


@compiled
def longest(shard: Table, text: Int, start: Int, stop: Int, at: Int) -> Int:
    """How many bytes of text[start:stop], in whole tokens, that suffix begins with which shares most.

    `at` is the lower bound of its first word, or negative if that is not known.
    """
    low: Int = np.int64(0)
    high: Int = np.int64(shard.size // shard.width)
    depth: Int = np.int64(0)
    word = word_at(text, stop, start)
    if at < 0:
        at = lower_bound(shard, word, min(WORD_BYTES, stop - start))
    while at >= 0:
        shared = shared_bytes(shard, at, text, start, stop, depth) if at < high else depth
        if shared < 0 or shared == stop - start:
            return shared
        if shared < depth + WORD_BYTES:  # none goes on with this word, so one of its neighbours shares most
            before = shared_bytes(shard, at - 1, text, start, stop, depth) if at > low else depth
            return DAMAGED if before < 0 else max(shared, before)
        low, high = at, range_end(shard, at + 1, high, depth, word, WORD_BYTES)
        if high < 0 or high - low == 1:
            return DAMAGED if high < 0 else shared
        depth = shared_by_all(shard, low, high, text, start, stop, depth + WORD_BYTES)
        if depth < 0 or depth == stop - start:
            return depth
        word = word_at(text, stop, start + depth)
        at = lower_bound_within(shard, low, high, depth, word, min(WORD_BYTES, stop - start - depth))
    return DAMAGED
