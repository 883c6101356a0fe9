"""The epochs of a data order, laid out one after the other as they are asked for."""

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.core.errors import OrderError


class Laid(Protocol):
    """An epoch laid on the run's line of positions: it lies at `base` to `end`."""

    @property
    def base(self) -> int: ...
    @property
    def end(self) -> int: ...


E = TypeVar("E", bound=Laid)


class Epochs(Generic[E]):
    """What `lay(epoch, base)` makes of each epoch, kept."""

    def __init__(self, lay: Callable[[int, int], E]) -> None:
        self._lay, self._laid = lay, list[E]()

    def __getitem__(self, number: int) -> E:
        while len(self._laid) <= number:
            base = self._laid[-1].end if self._laid else 0
            self._laid.append(self._lay(len(self._laid), base))
        return self._laid[number]

    def until(self, position: int) -> Iterator[E]:
        """Those that begin before a position."""
        number = 0
        while (epoch := self[number]).base < position:
            yield epoch
            number += 1

    def end(self, epochs: float) -> float:
        """The position after so many epochs, the last of them in part."""
        whole = int(epochs)
        rest = self[whole]
        return (self[whole - 1].end if whole else 0) + (epochs - whole) * (rest.end - rest.base)


def check_lengths(lengths: NDArray[np.int64]) -> None:
    """Raises OrderError unless there are documents, none of them empty."""
    if len(lengths) == 0 or int(lengths.min()) < 1:
        raise OrderError(
            "the store has no documents or an empty one: there is nothing to train on; rebuild it"
        )
