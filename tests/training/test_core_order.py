"""The data order is a pure function of store, seed, sequence length and batch size; against brute force."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.core.errors import OrderError
from training.core.order import DataOrder, Packing, PairOrder, Piece

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)
SEEDS = st.integers(0, 2**31)
WIDTHS, BATCHES = st.integers(1, 24), st.integers(1, 4)
FIXED = [7, 2, 1, 0, 6, 10, 4, 3, 5, 11, 8, 9]
PACKINGS = st.sampled_from(["split", "whole"])


def order(lengths: list[int], seed: int, width: int, batch: int, packing: Packing) -> DataOrder:
    return DataOrder(
        np.array(lengths, dtype=np.int64), seed=seed, sequence_length=width, batch_size=batch, packing=packing
    )


def drawn(data: DataOrder, steps: int) -> list[list[Piece]]:
    return [list(data.pieces(step)) for step in range(steps)]


@given(LENGTHS, SEEDS, WIDTHS, BATCHES, PACKINGS, st.integers(1, 12))
def test_steps_and_documents_are_those_of_the_batches_drawn(
    lengths: list[int], seed: int, width: int, batch: int, packing: Packing, steps: int
) -> None:
    data = order(lengths, seed, width, batch, packing)
    seen = [{piece.document for piece in pieces} for pieces in drawn(data, steps)]
    for step in range(steps):
        assert data.documents_at(step) == sorted(seen[step])
    for document in range(len(lengths)):
        brute = [step for step in range(steps) if document in seen[step]]
        assert data.steps_of(document, steps) == brute


@given(LENGTHS, SEEDS, WIDTHS, BATCHES, PACKINGS)
def test_an_epoch_reads_every_token_once(
    lengths: list[int], seed: int, width: int, batch: int, packing: Packing
) -> None:
    data = order(lengths, seed, width, batch, packing)
    read: dict[int, list[int]] = {document: [] for document in range(len(lengths))}
    for pieces in drawn(data, data.steps_in_epochs(1)):
        for piece in pieces:
            read[piece.document].extend(range(piece.start, piece.start + piece.length))
    for document, positions in read.items():
        kept = min(lengths[document], width) if packing == "whole" else lengths[document]
        assert positions[:kept] == list(range(kept))


@given(LENGTHS, SEEDS, WIDTHS, BATCHES, PACKINGS)
def test_pieces_lie_inside_their_sequence_one_after_the_other(
    lengths: list[int], seed: int, width: int, batch: int, packing: Packing
) -> None:
    for pieces in drawn(order(lengths, seed, width, batch, packing), 3):
        places = [(piece.row * width + piece.column, piece) for piece in pieces]
        for (place, piece), (following, _) in pairwise(places):
            assert place + piece.length <= following
        for _, piece in places:
            assert 0 <= piece.row < batch
            assert piece.column + piece.length <= width
            assert piece.length >= 1


@given(LENGTHS, SEEDS, WIDTHS, BATCHES)
def test_split_leaves_no_gap(lengths: list[int], seed: int, width: int, batch: int) -> None:
    for pieces in drawn(order(lengths, seed, width, batch, "split"), 3):
        assert sum(piece.length for piece in pieces) == width * batch


@given(LENGTHS, SEEDS, BATCHES)
def test_whole_never_cuts_a_document_that_fits(lengths: list[int], seed: int, batch: int) -> None:
    data = order(lengths, seed, 40, batch, "whole")
    for pieces in drawn(data, data.steps_in_epochs(1)):
        assert all(piece.start == 0 and piece.length == lengths[piece.document] for piece in pieces)


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    data = order([8] * 50, 0, 8, 1, "split")
    first, second = ([pieces[0].document for pieces in drawn(data, 100)][i : i + 50] for i in (0, 50))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert first != [pieces[0].document for pieces in drawn(order([8] * 50, 1, 8, 1, "split"), 50)]


def test_the_order_is_the_same_for_ever() -> None:
    """Manifests of years ago have to say the same: neither numpy nor we may change this."""
    data = order([1] * 12, 7, 1, 1, "split")
    assert [next(data.pieces(step)).document for step in range(12)] == FIXED


def test_what_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(OrderError, match="no documents"):
        order([], 0, 8, 1, "split")
    data = order([4, 4], 0, 8, 1, "split")
    with pytest.raises(OrderError, match="no document 2"):
        data.steps_of(2, 5)
    with pytest.raises(OrderError, match="no step -1"):
        data.documents_at(-1)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), SEEDS, WIDTHS, BATCHES, st.integers(1, 12))
def test_both_sides_of_a_pair_are_read_at_the_same_steps(
    lengths: list[int], seed: int, width: int, batch: int, steps: int
) -> None:
    kept = np.array([length for length in lengths for _ in range(2)], dtype=np.int64)
    data = PairOrder(kept, seed=seed, sequence_length=width, batch_size=batch)
    seen = [[piece.document for piece in data.pieces(step)] for step in range(steps)]
    for step in range(steps):
        chosen, rejected = seen[step][:batch], seen[step][batch:]
        assert [document + 1 for document in chosen] == rejected
        assert all(document % 2 == 0 for document in chosen)
        assert [piece.row for piece in data.pieces(step)] == list(range(2 * batch))
        assert all(piece.length == min(kept[piece.document], width) for piece in data.pieces(step))
        assert data.documents_at(step) == sorted(set(seen[step]))
    for document in range(len(kept)):
        assert data.steps_of(document, steps) == [step for step in range(steps) if document in seen[step]]
    epoch = [document for step in range(data.steps_in_epochs(1)) for document in seen_at(data, step)]
    assert set(epoch[: len(kept)]) <= set(range(len(kept)))
    assert set(epoch) == set(range(len(kept)))


def seen_at(data: PairOrder, step: int) -> list[int]:
    return [piece.document for piece in data.pieces(step)]


@pytest.mark.parametrize("lengths", [[], [3], [3, 0], [1, 2, 3]])
def test_what_is_no_list_of_pairs_has_no_order_of_pairs(lengths: list[int]) -> None:
    with pytest.raises(OrderError, match="even number of documents"):
        PairOrder(np.array(lengths, dtype=np.int64), seed=0, sequence_length=8, batch_size=2)
