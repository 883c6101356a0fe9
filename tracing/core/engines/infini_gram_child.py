"""infini-gram's own engine over one store, in a process of its own: `DIRECTORY DTYPE PARENT`.

Answers each frame on standard input by one on standard output, after a first one that says that it is
ready. Whatever the engine prints goes to standard error. Ends with its parent, whose process id is PARENT.

Of the engine only `find` is used. It gives ranges of ranks, from which everything follows; `attribute`
lists every occurrence, drops spans that occur more than `max_cnt` times, and misses matches that sort before
a shard's first suffix.
"""

import ctypes
import os
import signal
import sys
from typing import Any

from tracing.core.engines import frames

PR_SET_PDEATHSIG = 1
Range = list[int]


class Finder:
    """Searches the shards of one store."""

    def __init__(self, directory: str, dtype: str) -> None:
        from infini_gram.engine import InfiniGramEngine

        self._engine = InfiniGramEngine(directory, eos_token_id=0, vocab_size=255, token_dtype=dtype)
        self._separator = int(self._engine.token_id_max)

    def ends(self, ids: list[int], begin: int, stop: int, reach: int) -> list[int]:
        """For each begin <= i < stop the end of the longest ids[i:end] that occurs in the store.

        ids[begin:reach] is known to occur.
        """
        barriers, found = self._barriers(ids), []
        for start in range(begin, stop):
            reach = self._reach(ids[: barriers[start]], start, max(start, reach))
            found.append(reach)
        return found

    def find(self, queries: list[list[int]]) -> list[list[Range]]:
        """(low, high) ranks of each query in each shard."""
        return [[list(pair) for pair in self._segments(query)] for query in queries]

    def _reach(self, ids: list[int], start: int, low: int) -> int:
        """The furthest end of an ids[start:end] that occurs, given that ids[start:low] does."""
        step, high = 1, len(ids) + 1
        while low < len(ids) and high > len(ids):  # doubling, then halving
            middle = min(low + step, len(ids))
            if self._occurs(ids[start:middle]):
                low, step = middle, 2 * step
            else:
                high = middle
        while high - low > 1 and low < len(ids):
            middle = (low + high) // 2
            if self._occurs(ids[start:middle]):
                low = middle
            else:
                high = middle
        return low

    def _occurs(self, query: list[int]) -> bool:
        return any(low < high for low, high in self._segments(query))

    def _segments(self, query: list[int]) -> list[tuple[int, int]]:
        if max(query) >= self._separator:  # no document of a store this narrow can hold it
            return [(0, 0)] * int(self._engine.engine.get_num_shards())
        found: Any = self._engine.find(query)
        return list(found["segment_by_shard"])

    def _barriers(self, ids: list[int]) -> list[int]:
        """For each place the next one whose id no document of the store can hold, or the end."""
        found, barrier = [], len(ids)
        for place in range(len(ids) - 1, -1, -1):
            barrier = place if ids[place] >= self._separator else barrier
            found.append(barrier)
        return found[::-1]


def end_with(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends, and so its process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    directory, dtype, parent = sys.argv[1:]
    end_with(int(parent))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    finder = Finder(directory, dtype)
    operations: dict[str, Any] = {"ends": finder.ends, "find": finder.find}
    frames.write(answers, "ready")
    while (request := frames.read(sys.stdin.buffer)) is not None:
        frames.write(answers, operations[request.pop("operation")](**request))


if __name__ == "__main__":
    main()
