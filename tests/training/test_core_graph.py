"""Where the lineage graph puts its nodes: nothing hidden, ancestors first, the trunk straight."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.core.errors import CheckpointError
from training.core.graph import arrange

FLOW = {
    "pretrain": [],
    "midtrain": ["pretrain"],
    "think-sft": ["midtrain"],
    "think-dpo": ["think-sft"],
    "think-rlvr": ["think-dpo"],
    "instruct-sft": ["think-sft"],
    "rl-zero": ["midtrain"],
    "rl-zero-spurious": ["midtrain"],
}


def family(count: int, seed: int) -> dict[str, list[str]]:
    """`count` nodes in any order, each with up to three parents among those before it."""
    chance = random.Random(seed)
    parents = [chance.sample(range(node), min(node, chance.randrange(4))) for node in range(count)]
    order = chance.sample(range(count), count)
    return {str(node): [str(parent) for parent in parents[node]] for node in order}


graphs = st.builds(family, st.integers(0, 40), st.integers(0, 2**32))


@given(graphs)
def test_every_node_has_a_place_of_its_own_behind_its_parents(graph: dict[str, list[str]]) -> None:
    places = arrange(graph)
    assert places.keys() == graph.keys()
    assert sorted(place.row for place in places.values()) == list(range(len(graph)))
    assert len({(place.column, place.track) for place in places.values()}) == len(graph)
    for node, parents in graph.items():
        for parent in parents:
            assert places[parent].column < places[node].column
            assert places[parent].row < places[node].row


@given(graphs)
def test_a_line_down_a_lane_meets_no_other_node(graph: dict[str, list[str]]) -> None:
    """Between a node and its first child in the same lane nobody else stands in that lane."""
    single = {node: parents[:1] for node, parents in graph.items()}
    places = arrange(single)
    by_row = sorted(single, key=lambda node: places[node].row)
    for node, parents in single.items():
        if parents:
            between = by_row[places[parents[0]].row + 1 : places[node].row]
            assert all(places[other].lane > places[parents[0]].lane for other in between)


def test_the_longest_line_is_the_trunk_and_branches_share_tracks() -> None:
    places = arrange(FLOW)
    trunk = ["pretrain", "midtrain", "think-sft", "think-dpo", "think-rlvr"]
    assert {places[node].track for node in trunk} == {0}
    assert {places[node].lane for node in trunk} == {0}
    assert [places[node].column for node in trunk] == [0, 1, 2, 3, 4]
    assert places["instruct-sft"].track == places["rl-zero"].track == 1
    assert places["rl-zero-spurious"].track == 2


def test_an_average_stands_behind_all_its_parents() -> None:
    places = arrange({"a": [], "b": ["a"], "c": ["a"], "mean": ["b", "c", "elsewhere"]})
    assert places["mean"].column == 2
    assert places["mean"].row == 3


def test_a_wide_family_stays_narrow_in_rows() -> None:
    family = {"base": []} | {f"tune-{number}": ["base"] for number in range(200)}
    assert max(place.lane for place in arrange(family).values()) == 1


def test_checkpoints_that_descend_from_themselves_are_named() -> None:
    with pytest.raises(CheckpointError, match="b, c"):
        arrange({"a": [], "b": ["c", "a"], "c": ["b"]})
