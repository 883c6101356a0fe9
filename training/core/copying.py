"""Files copied in pieces, so that somebody can be told how far it is."""

from collections.abc import Callable, Iterable
from pathlib import Path

CHUNK_BYTES = 16 * 2**20
Progress = Callable[[int, int], None]
"""Told of bytes done, and of all."""


def copy_files(paths: Iterable[Path], folder: Path, progress: Progress | None = None) -> None:
    """Copy the files into the directory, under their own names. Raises what the disk says."""
    chosen = list(paths)
    total, done = sum(path.stat().st_size for path in chosen), 0
    for path in chosen:
        with path.open("rb") as source, (folder / path.name).open("wb") as copy:
            while chunk := source.read(CHUNK_BYTES):
                copy.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
