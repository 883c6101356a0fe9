"""From a document to the step that used it, and back, in a store of rollouts."""

from collections.abc import Mapping
from typing import Any

from tracing.core.nodes.node_store import Reader


def step_of(store: Reader, document: int) -> int:
    """The step, counted from 1, that learned from this rollout; each is used by one step only."""
    return step_said(store.metadata(document))


def step_said(metadata: Mapping[str, Any]) -> int:
    """The same, by the rollout's own metadata."""
    return int(metadata["step"])


def documents_at(store: Reader, step: int) -> list[int]:
    """The rollouts that the step learned from; documents are in the order of their steps."""
    first = _first_from(store, step)
    return list(range(first, _first_from(store, step + 1)))


def _first_from(store: Reader, step: int) -> int:
    """The first document of this step or a later one, by bisection."""
    low, high = 0, store.documents
    while low < high:
        middle = (low + high) // 2
        if step_of(store, middle) < step:
            low = middle + 1
        else:
            high = middle
    return low
