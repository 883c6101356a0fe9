"""Progress of a stage that is a few parts of known weight."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from training.core.events import Events


class Steps:
    """Reports which part runs and, from how long the parts before took, when all will be done."""

    def __init__(self, events: Events, weights: Mapping[str, float]) -> None:
        self._events, self._weights = events, weights
        self._total = sum(weights.values())
        self._done = 0.0
        self._started = time.monotonic()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One of the parts named in `weights`."""
        self._report(name)
        yield
        self._done += self._weights[name]
        self._report(name)

    def finish(self) -> None:
        self._events.progress("done", self._total, self._total, "parts", 0.0)

    def _report(self, name: str) -> None:
        elapsed_s = time.monotonic() - self._started
        pace = elapsed_s / self._done if self._done else 1.0
        self._events.progress(name, self._done, self._total, "parts", pace * (self._total - self._done))
