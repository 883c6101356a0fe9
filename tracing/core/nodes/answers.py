"""What a node is asked, what it answers, and whether an answer is one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Longs
from tracing.core.engines.engine import Excerpt
from tracing.core.errors import Unanswered
from tracing.core.nodes.questions import excerpt_of
from tracing.core.stores.manifest import Manifest

OTHER_VERSION: Final = "its node answers in another way: run the same version everywhere."


class Question(NamedTuple):
    """What is asked of the node that holds a store; `digest` is of the build of the store that is meant."""

    store: str
    digest: str
    operation: str
    arguments: Mapping[str, Any]


class Whole(NamedTuple):
    """A document of a store: the bytes start..stop of tokenized.N of its shard, which are these ids."""

    shard: int
    start: int
    stop: int
    token_ids: NDArray[Any]


class Reply(NamedTuple):
    """What a node said: a value, or the reason why it has none."""

    value: Any
    reason: str = ""


Ask = Callable[[Sequence[Question], float], Sequence[Reply]]
"""Puts questions to their nodes, all at once, and waits for the answers until a time of time.monotonic()."""


def checked_array(found: Any, shape: tuple[int, ...], manifest: Manifest) -> Longs:
    """What a node answered, if it is whole numbers of this shape (-1 for any length); else Unanswered."""
    if isinstance(found, np.ndarray) and found.dtype == np.int64 and found.ndim == len(shape):
        sizes = zip(shape, found.shape, strict=True)
        if all(wanted in (-1, size) for wanted, size in sizes):
            return found
    raise Unanswered({manifest.digest: OTHER_VERSION})


def checked_wholes(found: Any, wanted: int, manifest: Manifest) -> list[Whole]:
    """What a node answered, if it is so many whole documents; else Unanswered."""
    width = manifest.token_type.width_bytes
    try:
        wholes = [Whole(*fields) for fields in found]
        sound = all(w.token_ids.shape == ((w.stop - w.start) // width,) for w in wholes)
    except (TypeError, ValueError, AttributeError):
        sound, wholes = False, []
    if not sound or len(wholes) != wanted:
        raise Unanswered({manifest.digest: OTHER_VERSION})
    return wholes


def checked_excerpts(found: Any, wanted: int, manifest: Manifest) -> list[Excerpt]:
    """What a node answered, if it is so many excerpts; else Unanswered."""
    try:
        excerpts = [excerpt_of(fields) for fields in found]
    except (TypeError, ValueError):
        excerpts = []
    if len(excerpts) != wanted:
        raise Unanswered({manifest.digest: OTHER_VERSION})
    return excerpts
