"""The lines of an uploaded file, one at a time: whatever it holds, no more than one line is in memory."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from training.core.datasets.limits import FILE_BYTES_MAX, ROW_BYTES_MAX
from training.core.errors import DatasetError

BYTES_LOOKED_AT = 512
OTHER_KINDS = {
    b"\x1f\x8b": "gzip: unpack it first",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it first",
    b"PAR1": "Parquet: write it as JSON lines",
    codecs.BOM_UTF32_LE: "UTF-32: save it as UTF-8",
    codecs.BOM_UTF32_BE: "UTF-32: save it as UTF-8",
    codecs.BOM_UTF16_LE: "UTF-16: save it as UTF-8",
    codecs.BOM_UTF16_BE: "UTF-16: save it as UTF-8",
}


@dataclass(frozen=True)
class Line:
    """One line, numbered from 1."""

    number: int
    data: bytes | None
    """Without its end; None where it is longer than ROW_BYTES_MAX."""
    end: int
    """Bytes of the file up to its end."""


def check_file(path: Path) -> None:
    """Raises DatasetError for a file that is missing, empty, too large or of another kind."""
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(BYTES_LOOKED_AT)
    except OSError as error:
        raise DatasetError(f"the file cannot be read ({error.strerror}): upload it again") from error
    if size_bytes > FILE_BYTES_MAX:
        raise DatasetError(f"the file has more than {FILE_BYTES_MAX:,} bytes: split it, and send the parts")
    if not head:
        raise DatasetError("the file is empty: send one with a JSON object on each line")
    check_head(head)


def check_head(head: bytes) -> None:
    """Raises DatasetError where a file that begins so is no text, or text in another form than lines."""
    for mark, kind in OTHER_KINDS.items():
        if head.startswith(mark):
            raise DatasetError(f"the file is {kind}")
    if b"\0" in head:
        raise DatasetError("the file is no text, or in UTF-16: save it as UTF-8, a JSON object on each line")
    if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        raise DatasetError("the file begins a JSON list: write its objects without it, one on each line")


def read_lines(file: IO[bytes]) -> Iterator[Line]:
    """The file's lines; a byte-order mark before the first is passed over."""
    number, end = 0, 0
    while data := file.readline(ROW_BYTES_MAX + 2):
        number, end = number + 1, end + len(data)
        whole = data.endswith(b"\n") or len(data) <= ROW_BYTES_MAX
        if not whole:
            end += skip_line(file)
        if number == 1:
            data = data.removeprefix(codecs.BOM_UTF8)
        yield Line(number, data.rstrip(b"\r\n") if whole else None, end)


def skip_line(file: IO[bytes]) -> int:
    """Reads on to the end of a line that is too long; how many bytes that were."""
    skipped = 0
    while data := file.readline(ROW_BYTES_MAX):
        skipped += len(data)
        if data.endswith(b"\n"):
            break
    return skipped
