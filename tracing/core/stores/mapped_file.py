"""A store's file, memory-mapped; blocks are checked against their checksums before what was read is used."""

import mmap
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Bytes, Longs, Words
from tracing.core.errors import StoreDamaged, StoreError, StoreMissing
from tracing.core.stores.blocks import checksum
from tracing.core.stores.bus_errors import guard, lost
from tracing.core.stores.layout import BLOCK_BYTES
from tracing.core.stores.words import WORD_BYTES, words_at

UNSEEN, TOUCHED, SOUND = 0, 1, 2
COPY_TRIES = 3
BLOCKS_AHEAD = 1024


class MappedFile:
    """Read-only bytes of one file, and the state of each 64 KiB block: UNSEEN, TOUCHED or SOUND.

    Whoever reads `data` marks the blocks TOUCHED first (the kernels do it themselves) and calls
    `check_touched` before a result leaves. Threads share one object: a block is SOUND only after
    some thread has found its checksum right, and marking it again costs a second check at worst.
    `changes` counts how often the file was found to have been written since it was opened, `faults` how
    often a block was found damaged. `has_failed` once it was found cut, lost or damaged.
    """

    def __init__(self, path: Path, size_bytes: int, checksums: NDArray[np.uint64]) -> None:
        self.path, self.size_bytes, self._checksums = path, size_bytes, checksums
        self.changes = self.faults = self._guard = 0
        self.has_failed = False
        self._descriptor = -1
        self._descriptor = open_file(path)
        try:
            self._changed_ns = self._stat(expected="its manifest says").st_ctime_ns
            mapping = self._map()
        except BaseException:
            self.close()
            raise
        mapping.madvise(mmap.MADV_RANDOM)  # a search reads single blocks: what lies around them is of no use
        self._mapping = mapping
        self.data: Bytes = np.frombuffer(mapping, dtype=np.uint8)
        self._guard = guard(mapping, self.data.ctypes.data, size_bytes)
        self._states = bytearray(checksums.size)
        self.state: Bytes = np.frombuffer(self._states, dtype=np.uint8)

    def _map(self) -> mmap.mmap:
        try:
            return mmap.mmap(self._descriptor, self.size_bytes, prot=mmap.PROT_READ)
        except (OSError, ValueError) as error:  # a ValueError: cut since its size was read
            raise StoreDamaged(f"{self.path} cannot be mapped ({error}): restore or rebuild it.") from error

    def check_unchanged(self) -> None:
        """StoreDamaged if the file was cut, or could not be read, since it was opened; distrust every block
        if it was written.

        Called before the mapping is read, and again before a result leaves: what a cut file no longer has
        reads as zeros.
        """
        found = self._stat(expected="it had when opened")
        if lost(self._guard):
            raise self._failure(
                f"{self.path} could not be read for a while (it was cut, or its disk failed): check it "
                "with verify_index, then open the store again."
            )
        if found.st_ctime_ns != self._changed_ns:
            self.state[self.state == SOUND] = TOUCHED
            self.changes += 1
            self._changed_ns = found.st_ctime_ns

    def check_touched(self) -> None:
        """StoreDamaged unless every block touched so far has its checksum. Call it before a result leaves."""
        self.check_unchanged()
        if self._states.find(TOUCHED) < 0:
            return
        touched = np.flatnonzero(self.state == TOUCHED).tolist()
        for first in range(0, len(touched), BLOCKS_AHEAD):
            blocks = touched[first : first + BLOCKS_AHEAD]
            for block in blocks:  # asked for together, the disk reads them side by side
                start = block * BLOCK_BYTES
                self._mapping.madvise(mmap.MADV_WILLNEED, start, min(BLOCK_BYTES, self.size_bytes - start))
            for block in blocks:
                self._check_block(block)

    def _check_block(self, block: int) -> None:
        start = block * BLOCK_BYTES
        if checksum(self.data[start : start + BLOCK_BYTES].data) != self._checksums[block]:
            self.faults += 1
            raise self._failure(
                f"{self.path} is damaged in the {BLOCK_BYTES} bytes from {start}: "
                "restore or rebuild the store."
            )
        self.state[block] = SOUND

    def check_all(self) -> None:
        """StoreDamaged unless the whole file is as it was written."""
        self.state[self.state == UNSEEN] = TOUCHED
        self.check_touched()

    def read(self, start: int, stop: int) -> Bytes:
        """Checked bytes start..stop, no copy; StoreDamaged where the file has no such bytes.

        Whoever still reads them when the file may have been written meanwhile calls `check_unchanged` after.
        """
        self._check_bounds(start, stop)
        self.check_unchanged()
        self._check_blocks([(start, stop)])
        return self.data[start:stop]

    def copy(self, start: int, stop: int) -> bytes:
        """Checked bytes start..stop as they were written, whatever happens to the file meanwhile."""
        return self.copies([(start, stop)])[0]

    def copies(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """As `copy`, of each of these (start, stop), for the price of one look at the file."""
        for start, stop in places:
            self._check_bounds(start, stop)
        for _ in range(COPY_TRIES):
            changes = self.changes
            self._check_blocks(places)
            data = [self._mapping[start:stop] for start, stop in places]
            self.check_unchanged()
            if changes == self.changes:
                return data
        raise changed_meanwhile(self.path)

    def words(self, starts: Longs) -> Words:
        """Checked words, as `words_at` gives them, as they were written; StoreDamaged for places outside."""
        if starts.size and not 0 <= starts.min() <= starts.max() < self.size_bytes:
            raise StoreDamaged(f"{self.path} has no byte {starts.max()}: restore or rebuild the store.")
        last = np.minimum(starts + WORD_BYTES, self.size_bytes) - 1
        blocks = np.unique(np.concatenate([starts, last]) // BLOCK_BYTES)
        for _ in range(COPY_TRIES):
            changes = self.changes
            self.state[blocks[self.state[blocks] == UNSEEN]] = TOUCHED
            self.check_touched()
            found = words_at(self.data, starts)
            self.check_unchanged()
            if changes == self.changes:
                return found
        raise changed_meanwhile(self.path)

    def _check_bounds(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.size_bytes:
            raise StoreDamaged(f"{self.path} has no bytes {start}..{stop}: restore or rebuild the store.")

    def _check_blocks(self, places: Sequence[tuple[int, int]]) -> None:
        """Have every block of these (start, stop) checked that is not SOUND."""
        are_sound = True
        for start, stop in places:
            first, last = start // BLOCK_BYTES, -(-stop // BLOCK_BYTES)
            if self._states.count(SOUND, first, last) < last - first:
                blocks, are_sound = self.state[first:last], False
                blocks[blocks == UNSEEN] = TOUCHED
        if not are_sound:
            self.check_touched()

    def close(self) -> None:
        """Close the descriptor; the mapping lives as long as someone holds a view of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self, close: Callable[[int], None] = os.close) -> None:  # `os` may be gone when Python ends
        if self._descriptor >= 0:
            close(self._descriptor)

    def _stat(self, expected: str) -> os.stat_result:
        if self._descriptor < 0:
            raise StoreError(f"{self.path} was closed: open the store again.")
        found = os.fstat(self._descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise self._failure(f"{self.path} is not a regular file: restore or rebuild the store.")
        if found.st_size != self.size_bytes:
            raise self._failure(
                f"{self.path} has {found.st_size} bytes, not the {self.size_bytes} that {expected}: "
                "restore or rebuild the store."
            )
        return found

    def _failure(self, message: str) -> StoreDamaged:
        self.has_failed = True
        return StoreDamaged(message)


def changed_meanwhile(path: Path) -> StoreDamaged:
    """The error for what was read while somebody wrote the file: checksums cannot vouch for it any more."""
    return StoreDamaged(f"{path} was written to while it was read: let nothing write there, and ask again.")


def open_file(path: Path) -> int:
    """A descriptor for reading, or StoreMissing. It never waits for a FIFO's writer."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:  # a ValueError: no path can hold a null byte
        raise StoreMissing(f"{path} cannot be read ({error}): restore or rebuild the store.") from error


def read_tail(path: Path, size_bytes: int, tail_bytes: int) -> bytes:
    """The end of a regular file of that size; StoreMissing or StoreDamaged for anything else."""
    descriptor = open_file(path)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
            raise StoreDamaged(
                f"{path} is not a regular file of {size_bytes} bytes: remove it, then have manage.py "
                "build_index make it anew."
            )
        return os.pread(descriptor, tail_bytes, size_bytes - tail_bytes)
    except OSError as error:
        raise StoreMissing(f"{path} cannot be read ({error}): restore or rebuild the store.") from error
    finally:
        os.close(descriptor)


def read_small_file(path: Path, size_bytes_max: int) -> bytes:
    """The content of a regular file of at most that size; StoreMissing or StoreDamaged for anything else."""
    descriptor = open_file(path)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > size_bytes_max:
            raise StoreDamaged(
                f"{path} is not a regular file of up to {size_bytes_max} bytes: restore or rebuild the store."
            )
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(size_bytes_max + 1)
    except OSError as error:
        raise StoreMissing(f"{path} cannot be read ({error}): restore or rebuild the store.") from error
    finally:
        os.close(descriptor)
