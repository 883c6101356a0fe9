"""What neighbouring suffixes share, against comparing them bit by bit."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tracing.core.stores.lcp import FAR, LEVEL_SHIFT, UNKNOWN_LCP, fill_lcps, lcp_levels, level_sizes

RUNS = st.lists(st.tuples(st.sampled_from([0, 1, 128, 255]), st.integers(1, 50)), min_size=1, max_size=12)


def bits_of(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def shared(one: bytes, other: bytes) -> int:
    """Bits that two different suffixes share, as the file has them."""
    if other.startswith(one) or one.startswith(other):
        whole = 8 * min(len(one), len(other))
        return FAR if whole > FAR else UNKNOWN_LCP
    pairs = zip(bits_of(one), bits_of(other), strict=False)
    return min(FAR, next(place for place, (a, b) in enumerate(pairs) if a != b))


@given(RUNS, st.integers(1, 5), st.integers(0, 9))
@example([(0, 50)], 2, 0)
@settings(max_examples=150, deadline=None)
def test_they_are_the_bits_that_neighbours_share(runs: list[tuple[int, int]], width: int, first: int) -> None:
    data = b"".join(bytes([value]) * count for value, count in runs)
    assume(len(data) <= 1 << 8 * width)
    places = sorted(range(len(data)), key=lambda place: data[place:])
    table = np.array(places, dtype="<u8").view(np.uint8).reshape(-1, 8)[:, :width].ravel()
    first = min(first, len(data) - 1)
    lcps = np.empty(len(data) - first, dtype=np.uint8)
    assert fill_lcps(np.frombuffer(data, dtype=np.uint8), table, width, first, lcps)
    suffixes = [data[place:] for place in places]
    expected = [0, *(shared(a, b) for a, b in itertools.pairwise(suffixes))]
    assert lcps.tolist() == expected[first:]


@given(st.lists(st.sampled_from([0, 1, 9, 100, FAR, UNKNOWN_LCP]), min_size=1, max_size=1500))
@settings(max_examples=100, deadline=None)
def test_a_level_above_has_the_least_of_what_lies_between_each_sixteenth(lcps: list[int]) -> None:
    levels = lcp_levels(np.array(lcps, dtype=np.uint8))
    assert [level.size for level in levels] == level_sizes(len(lcps))
    assert levels[-1].size <= 1 << LEVEL_SHIFT
    for below, level in itertools.pairwise(levels):
        assert level[0] == 0
        for number in range(1, level.size):
            between = below[(number - 1 << LEVEL_SHIFT) + 1 : (number << LEVEL_SHIFT) + 1]
            assert level[number] == (UNKNOWN_LCP if UNKNOWN_LCP in between else min(between))


@pytest.mark.parametrize("wrong", [0, 5, 39])
def test_a_table_that_points_outside_is_told(wrong: int) -> None:
    data, table = np.zeros(40, dtype=np.uint8), np.arange(40, dtype="<u4")
    table[wrong] = 40
    assert not fill_lcps(data, table.view(np.uint8), 4, 0, np.empty(40, dtype=np.uint8))
