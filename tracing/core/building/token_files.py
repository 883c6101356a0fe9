"""Documents appended to the token files of a directory, a new shard begun where one is full."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracing.core.building.shard_writer import ShardWriter


class TokenFiles:
    """Shards of at most `shard_bytes` of tokens in `directory`; a document never spans two.

    `kept` are the sizes that `sync` gave at an earlier time: writing goes on from there, and what was
    written since is cut off.
    """

    def __init__(self, directory: Path, shard_bytes: int, kept: Sequence[Sequence[int]] = ()) -> None:
        self._directory, self._shard_bytes = directory, shard_bytes
        self._full = [list(sizes) for sizes in kept[:-1]]
        self._open = ShardWriter(directory, len(self._full), *kept[-1:])
        self._remove_later_shards()

    def add(self, data: bytes, line: bytes) -> None:
        """Append one document, separator included, and its metadata line."""
        if self._open.size_bytes + len(data) > self._shard_bytes:
            self._begin_shard()
        self._open.add(data, line)

    def add_all(
        self, data: bytes, sizes: NDArray[np.int64], lines: bytes, line_sizes: NDArray[np.int64]
    ) -> None:
        """Append documents that lie one after the other in `data`, and their lines in `lines`."""
        ends, line_ends = (np.concatenate([[0], np.cumsum(s)]) for s in (sizes, line_sizes))
        first = 0
        while first < sizes.size:
            room = self._shard_bytes - self._open.size_bytes
            last = int(np.searchsorted(ends, ends[first] + room, side="right")) - 1
            if last == first:
                self._begin_shard()
                continue
            part = memoryview(data)[ends[first] : ends[last]]
            line_part = memoryview(lines)[line_ends[first] : line_ends[last]]
            self._open.add_all(part, sizes[first:last], line_part, line_sizes[first:last])
            first = last

    def sync(self) -> list[list[int]]:
        """Bring everything to the disk; the sizes of each shard's files now."""
        return [*self._full, self._open.sync()]

    def close(self) -> None:
        """Close the files; unwritten bytes may be lost."""
        with suppress(OSError):
            self._open.close()

    def finish(self) -> None:
        """Write everything and close the files."""
        self._open.close()

    def _begin_shard(self) -> None:
        self._full.append(self._open.sync())
        self._open.close()
        self._open = ShardWriter(self._directory, len(self._full))

    def _remove_later_shards(self) -> None:
        for path in self._directory.glob("*.[0-9]*"):
            number = path.name.rsplit(".", 1)[1]
            if number.isdigit() and int(number) > len(self._full):
                path.unlink()
