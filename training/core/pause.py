"""Pausing a job by a signal: SIGTERM asks its process to save where it is, to say so, and to end well."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopAsked(BaseException):
    """The job has stopped as a person asked, after `done` steps.

    Not an Exception, so that nothing that handles failures takes it for one."""

    def __init__(self, how: str, done: int) -> None:
        super().__init__(f"{how} after {done} steps")
        self.how, self.done = how, done


class Pause:
    """Whether this process was asked to pause. What repeats itself harmlessly (preparing, measuring) is left
    at once; what is `held` looks for itself, and leaves where it can go on."""

    def __init__(self) -> None:
        self.requested = False
        self._held = False

    def watch(self) -> None:
        """Take SIGTERM from now on for a request to pause. To be called by the main thread."""
        signal.signal(signal.SIGTERM, self._request)

    @contextmanager
    def held(self, held: bool = True) -> Iterator[None]:
        """A request that comes inside is noted only; or, inside `held(False)`, raises StopAsked again, as one
        that came before does."""
        before, self._held = self._held, held
        try:
            if self.requested and not (held and before):
                raise StopAsked("pause", 0)
            yield
        finally:
            self._held = before

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if not self._held:
            raise StopAsked("pause", 0)
