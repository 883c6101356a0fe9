"""Best-fit packing and mixtures of two stores: exact both ways, against brute force over batches drawn."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.core.best_fit import BestFitOrder, best_fit
from training.core.errors import OrderError
from training.core.mixture import MILLION, MixedOrder, ShareOrder
from training.core.store_order import new_order, new_share_order

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)
SEEDS = st.integers(0, 2**31)
WIDTHS, BATCHES = st.integers(1, 24), st.integers(1, 4)
SHARES = st.integers(1, 999).map(lambda part: part / 1000)
STEPS = st.integers(1, 12)


def packed(lengths: list[int], seed: int, width: int, batch: int) -> BestFitOrder:
    array = np.array(lengths, dtype=np.int64)
    return BestFitOrder(array, seed=seed, sequence_length=width, batch_size=batch)


def assert_both_ways_agree(order: Any, documents: int, steps: int) -> None:
    seen = [{piece.document for piece in order.pieces(step)} for step in range(steps)]
    for step in range(steps):
        assert order.documents_at(step) == sorted(seen[step])
    for document in range(documents):
        brute = [step for step in range(steps) if document in seen[step]]
        assert order.steps_of(document, steps) == brute


@given(LENGTHS, SEEDS, WIDTHS, BATCHES, STEPS)
def test_steps_and_documents_are_those_of_the_batches_drawn(
    lengths: list[int], seed: int, width: int, batch: int, steps: int
) -> None:
    assert_both_ways_agree(packed(lengths, seed, width, batch), len(lengths), steps)


@given(LENGTHS, SEEDS, WIDTHS)
def test_an_epoch_reads_every_token_once_and_no_two_in_one_place(
    lengths: list[int], seed: int, width: int
) -> None:
    order = packed(lengths, seed, width, 1)
    read: dict[int, list[int]] = {document: [] for document in range(len(lengths))}
    for step in range(order.steps_in_epochs(1)):
        taken: list[int] = []
        for piece in order.pieces(step):
            assert piece.row == 0
            assert piece.start % width == 0
            taken += range(piece.column, piece.column + piece.length)
            read[piece.document] += range(piece.start, piece.start + piece.length)
        assert len(set(taken)) == len(taken) <= width
        assert set(taken) <= set(range(width))
    for document, positions in read.items():
        assert sorted(positions) == list(range(lengths[document]))


@given(LENGTHS, SEEDS)
def test_a_document_that_fits_is_never_cut(lengths: list[int], seed: int) -> None:
    order = packed(lengths, seed, 40, 1)
    for step in range(order.steps_in_epochs(1)):
        assert all(piece.length == lengths[piece.document] for piece in order.pieces(step))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=25))
def test_each_piece_goes_where_the_least_room_is_left(lengths: list[int]) -> None:
    """Against best-fit decreasing as one writes it down."""
    width, rooms, expected = 20, list[int](), dict[int, int]()
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        fitting = [room for room in rooms if room >= lengths[place]]
        if fitting:
            rooms[rooms.index(min(fitting))] -= lengths[place]
        else:
            rooms.append(width - lengths[place])
    rows, columns = best_fit(np.array(lengths, dtype=np.int64), width)
    for row in set(rows.tolist()):
        expected[row] = width - sum(lengths[p] for p in range(len(lengths)) if rows[p] == row)
    assert sorted(expected.values()) == sorted(rooms)
    assert all(0 <= column < width for column in columns)


def test_epochs_have_orders_of_their_own() -> None:
    order = packed([8] * 50, 0, 8, 1)
    drawn = [next(order.pieces(step)).document for step in range(100)]
    assert sorted(drawn[:50]) == sorted(drawn[50:]) == list(range(50))
    assert drawn[:50] != drawn[50:]


def test_the_order_is_the_same_for_ever() -> None:
    """Manifests of years ago have to say the same."""
    order = packed([3, 9, 4, 1, 7, 5, 2, 8], 7, 10, 1)
    rows = [[piece.document for piece in order.pieces(step)] for step in range(order.steps_in_epochs(1))]
    assert rows == [[4, 0], [7, 6], [1], [5, 2, 3]]


def mixed(
    first: list[int], second: list[int], share: float, *, width: int, batch: int, packing: Any
) -> MixedOrder:
    settings: dict[str, Any] = {"seed": 3, "sequence_length": width, "batch_size": batch, "packing": packing}
    parts = [
        new_share_order(
            np.array(lengths, dtype=np.int64),
            **settings,
            share=(share, (MILLION - round(share * MILLION)) / MILLION)[place],
            second=place == 1,
        )
        for place, lengths in enumerate((first, second))
    ]
    return MixedOrder(parts[0], parts[1], len(first))


@given(LENGTHS, LENGTHS, SHARES, WIDTHS, BATCHES, STEPS, st.sampled_from(["split", "whole", "best-fit"]))
def test_a_mixture_is_exact_both_ways(
    first: list[int], second: list[int], share: float, width: int, batch: int, steps: int, packing: Any
) -> None:
    order = mixed(first, second, share, width=width, batch=batch, packing=packing)
    assert_both_ways_agree(order, len(first) + len(second), steps)


@given(SHARES, BATCHES, st.integers(1, 200))
def test_a_step_has_all_its_sequences_and_the_first_store_its_share_of_them(
    share: float, batch: int, steps: int
) -> None:
    order = mixed([4] * 9, [4] * 7, share, width=4, batch=batch, packing="split")
    own = 0
    for step in range(steps):
        pieces = list(order.pieces(step))
        assert [piece.row for piece in pieces] == list(range(batch))
        own += sum(piece.document < 9 for piece in pieces)
    assert abs(own - share * steps * batch) < 1


@given(LENGTHS, SHARES, WIDTHS, BATCHES, STEPS)
def test_each_store_is_read_in_its_own_order_without_a_gap(
    lengths: list[int], share: float, width: int, batch: int, steps: int
) -> None:
    alone = new_order(
        np.array(lengths, dtype=np.int64), seed=3, sequence_length=width, batch_size=1, packing="best-fit"
    )
    for second in (False, True):
        part = ShareOrder(alone, share=share, second=second, batch_size=batch)
        found = [
            (p.document, p.start, p.column, p.length) for step in range(steps) for p in part.pieces(step)
        ]
        rows = range(part.rows_before(steps))
        assert found == [(p.document, p.start, p.column, p.length) for row in rows for p in alone.pieces(row)]


def test_after_an_epoch_of_the_first_store_each_of_its_documents_was_seen() -> None:
    order = mixed([5] * 10, [4] * 7, 0.34, width=5, batch=3, packing="best-fit")
    steps = order.steps_in_epochs(1)
    assert all(order.steps_of(document, steps) for document in range(10))
    assert not all(order.steps_of(document, steps - 1) for document in range(10))


def test_what_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(OrderError, match="no documents"):
        packed([], 0, 8, 1)
    with pytest.raises(OrderError, match="no document 2"):
        packed([4, 4], 0, 8, 1).steps_of(2, 5)
    with pytest.raises(OrderError, match="pairs cannot be mixed"):
        mixed([4, 4], [4], 0.5, width=8, batch=2, packing="pairs")
