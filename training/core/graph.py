"""Where the nodes of a family tree of checkpoints stand, so that it can be drawn and read.

The graph has no cycles, and is nearly a tree: a checkpoint has one parent, an average several. It is cut into
chains: from each node the child that has the longest line of descendants goes on in its chain, every other
child begins one of its own beside it. Two drawings follow from that. A wide one has a column for each depth
and a track for each chain, where chains that do not overlap share a track. A narrow one has a row for each
node, ancestors above, with the chain as a lane: the trunk keeps to the left and side branches come first.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from training.core.errors import CheckpointError


@dataclass(frozen=True)
class Place:
    """`column`: the longest way from a first ancestor; `track`: line of the wide drawing; `row`, `lane`: of
    the narrow one, one node a row. All count from 0."""

    column: int
    track: int
    row: int
    lane: int


@dataclass(frozen=True)
class Chain:
    """Nodes from ancestor to descendant. `origin` is the node, of another chain, that it branches off."""

    nodes: list[str]
    origin: str | None
    lane: int


def arrange(parents: Mapping[str, Sequence[str]]) -> dict[str, Place]:
    """The place of every node, given its parents; parents that are no nodes themselves are passed over.

    Raises CheckpointError where the nodes descend from each other in a circle.
    """
    known = {node: [p for p in dict.fromkeys(of) if p in parents] for node, of in parents.items()}
    children: dict[str, list[str]] = defaultdict(list)
    for node, of in known.items():
        for parent in of:
            children[parent].append(node)
    order = ancestors_first(known, children)
    columns = depths(order, known)
    heights = depths(reversed(order), children)
    chains, rows = cut(known, children, heights)
    tracks = spread(chains, columns)
    lanes = {node: chain.lane for chain in chains for node in chain.nodes}
    return {node: Place(columns[node], tracks[node], rows[node], lanes[node]) for node in order}


def ancestors_first(parents: Mapping[str, list[str]], children: Mapping[str, list[str]]) -> list[str]:
    missing = {node: len(of) for node, of in parents.items()}
    ready = [node for node, count in missing.items() if not count]
    for node in ready:  # it grows while it is walked
        for child in children.get(node, ()):
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    if len(ready) < len(parents):
        circle = ", ".join(node for node, count in missing.items() if count)
        raise CheckpointError(f"these checkpoints descend from themselves: {circle}; correct their parents")
    return ready


def depths(order: Iterable[str], before: Mapping[str, list[str]]) -> dict[str, int]:
    """The longest way to each node from one that has nothing before it."""
    found: dict[str, int] = {}
    for node in order:
        found[node] = max((found[earlier] + 1 for earlier in before.get(node, ())), default=0)
    return found


def cut(
    parents: Mapping[str, list[str]], children: Mapping[str, list[str]], heights: Mapping[str, int]
) -> tuple[list[Chain], dict[str, int]]:
    """The chains, and the row of each node. A node of several parents comes after the last of them."""
    roots = [node for node, of in parents.items() if not of]
    chains, rows = list[Chain](), dict[str, int]()
    waiting = [Chain([root], None, 0) for root in reversed(roots)]
    begun = set[int]()
    while waiting:
        chain = waiting.pop()
        node = chain.nodes[-1]
        rows[node] = len(rows)
        if id(chain) not in begun:
            begun.add(id(chain))
            chains.append(chain)
        ready = [c for c in children.get(node, ()) if all(p in rows for p in parents[c])]
        if ready:
            *others, heir = sorted(ready, key=lambda child: heights[child])
            chain.nodes.append(heir)
            waiting.append(chain)
            waiting += [Chain([other], node, chain.lane + 1) for other in reversed(others)]
    return chains, rows


def spread(chains: Sequence[Chain], columns: Mapping[str, int]) -> dict[str, int]:
    """The track of each node: the first one below its origin that is free over the whole chain."""
    branches: dict[str | None, list[Chain]] = defaultdict(list)
    for chain in chains:
        branches[chain.origin].append(chain)
    taken, tracks = set[tuple[int, int]](), dict[str, int]()
    waiting = list(reversed(branches[None]))
    while waiting:
        chain = waiting.pop()
        first = columns[chain.nodes[0]] if chain.origin is None else columns[chain.origin] + 1
        span = range(first, columns[chain.nodes[-1]] + 1)
        lowest = 1 + max(tracks.values(), default=-1) if chain.origin is None else tracks[chain.origin] + 1
        track = next(t for t in range(lowest, lowest + len(chains) + 1) if not taken & {(t, c) for c in span})
        taken |= {(track, column) for column in span}
        tracks |= dict.fromkeys(chain.nodes, track)
        waiting += [branch for node in chain.nodes for branch in reversed(branches[node])]
    return tracks
