"""An upload becomes a file of ours: streamed, measured, written whole or not at all."""

import errno
import hashlib
import os
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from training.core.datasets.limits import FILE_BYTES_MAX
from training.core.errors import DatasetError

CHUNK_BYTES = 1 << 20
NAME_CHARACTERS_MAX = 120
FREE_BYTES_MIN = 256 * 2**20
"""Room that an upload leaves on the disk for everything else."""


@dataclass(frozen=True)
class Received:
    """What was written."""

    size_bytes: int
    digest: str


def receive(file: IO[bytes], path: Path) -> Received:
    """Write the file's bytes to `path`, synced, at most FILE_BYTES_MAX of them.

    Raises DatasetError for an empty or too large file, or where the disk refuses; then nothing stays.
    """
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        check_room(path.parent)
        received = write_chunks(file, partial)
        partial.replace(path)
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise DatasetError(f"the upload could not be kept ({reason}): make room and send it again") from error
    finally:
        partial.unlink(missing_ok=True)
    return received


def write_chunks(file: IO[bytes], partial: Path) -> Received:
    digest, size_bytes = hashlib.sha256(), 0
    with partial.open("xb") as kept:
        for chunk in chunks_of(file):
            size_bytes += len(chunk)
            if size_bytes > FILE_BYTES_MAX:
                raise DatasetError(
                    f"the file has more than {FILE_BYTES_MAX:,} bytes: split it, and send the parts"
                )
            digest.update(chunk)
            kept.write(chunk)
        kept.flush()
        os.fsync(kept.fileno())
    if not size_bytes:
        raise DatasetError("the file is empty: send one with a JSON object on each line")
    return Received(size_bytes, f"sha256:{digest.hexdigest()}")


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def check_room(folder: Path) -> None:
    if shutil.disk_usage(folder).free < FREE_BYTES_MIN:
        raise DatasetError("the disk is nearly full: make room, then send the file again")


def shown_name(name: str) -> str:
    """A name as it is kept: the last part of a path, on one line, without characters that are not shown or
    that turn the text around."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    spaced = (" " if character.isspace() else character for character in last)
    seen = "".join(character for character in spaced if unicodedata.category(character)[0] != "C")
    return " ".join(seen.split())[:NAME_CHARACTERS_MAX].strip() or "unnamed.jsonl"
