"""Files of a corpus, read a batch at a time: JSON lines, Parquet and text, plain or compressed."""

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tracing.core.building.rows import LineBatch, TableBatch, TextBatch, whole_text
from tracing.core.errors import InputError

BATCH_BYTES: Final = 1 << 20
BATCH_ROWS: Final = 1024
ROW_BYTES_MAX: Final = 256 << 20
JSON_LINES: Final = (".jsonl", ".ndjson", ".json")
PARQUET: Final = ".parquet"
PACKED: Final = (".gz", ".zst", ".zstd")

Batch = LineBatch | TableBatch | TextBatch


@dataclass(frozen=True)
class Place:
    """Where reading goes on: in file number `file`, after `row` rows, at `offset` of its unpacked bytes."""

    file: int = 0
    row: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Read:
    """A batch, the place after it, and how many bytes of the files on disk were read up to there."""

    batch: Batch
    after: Place
    read_bytes: int


def files_of(path: Path) -> Iterator[Path]:
    """The files in a folder by name, hidden ones and links left out; or the file itself."""
    if path.is_file():
        yield path
    elif path.is_dir():
        inside = [p for p in sorted(path.rglob("*")) if p.is_file() and not p.is_symlink()]
        yield from (p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts))
    else:
        raise InputError(f"{path} is neither a file nor a folder: give the corpus's own path.")


def read_batches(files: Sequence[Path], place: Place) -> Iterator[Read]:
    """The batches of all files from `place` on; InputError for a file that is not what its name says."""
    before = sum(file.stat().st_size for file in files[: place.file])
    for number in range(place.file, len(files)):
        start = place if number == place.file else Place(number)
        with _readable(files[number]):
            for read in _batches_of(files[number], start):
                yield Read(read.batch, read.after, before + read.read_bytes)
        before += files[number].stat().st_size


def _batches_of(file: Path, start: Place) -> Iterator[Read]:
    name = _unpacked_name(file)
    if name.endswith(JSON_LINES):
        return _lines(file, start)
    return _tables(file, start) if name.endswith(PARQUET) else _text(file, start)


def _lines(file: Path, start: Place) -> Iterator[Read]:
    row, offset = start.row, start.offset
    with file.open("rb") as raw, _unpacked(file, raw) as lines:
        _skip(lines, offset)
        while data := lines.read(BATCH_BYTES):
            data += lines.readline(ROW_BYTES_MAX)
            count = data.count(b"\n") + (data[-1:] != b"\n")
            if len(data) > ROW_BYTES_MAX:
                raise InputError(f"{file}:{row + count} is longer than {ROW_BYTES_MAX:,} bytes: divide it.")
            batch = LineBatch(whole_text(str(file)), row + 1, data)
            row, offset = row + count, offset + len(data)
            yield Read(batch, Place(start.file, row, offset), raw.tell())


def _tables(file: Path, start: Place) -> Iterator[Read]:
    size_bytes = file.stat().st_size
    with pq.ParquetFile(file) as parquet:
        rows, row = max(1, parquet.metadata.num_rows), 0
        for group in range(parquet.num_row_groups):
            in_group = parquet.metadata.row_group(group).num_rows
            if row + in_group <= start.row:
                row += in_group
                continue
            for table in parquet.iter_batches(BATCH_ROWS, row_groups=[group], use_threads=False):
                row += table.num_rows
                if row > start.row:
                    left = table.slice(max(0, start.row - (row - table.num_rows)))
                    batch = TableBatch(whole_text(str(file)), row - left.num_rows + 1, left)
                    yield Read(batch, Place(start.file, row), size_bytes * row // rows)


def _text(file: Path, start: Place) -> Iterator[Read]:
    if start.row:
        return
    with file.open("rb") as raw, _unpacked(file, raw) as content:
        data = content.read(ROW_BYTES_MAX + 1)
        if len(data) > ROW_BYTES_MAX:
            raise InputError(f"{file} is longer than {ROW_BYTES_MAX:,} bytes: divide it.")
        yield Read(TextBatch(whole_text(str(file)), data), Place(start.file, 1), raw.tell())


def _unpacked_name(file: Path) -> str:
    name = file.name.lower()
    return name.rsplit(".", 1)[0] if name.endswith(PACKED) else name


def _unpacked(file: Path, raw: IO[bytes]) -> IO[bytes]:
    suffix = file.suffix.lower()
    if suffix == ".gz":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw))
    if suffix in PACKED:
        return io.BufferedReader(_Unpacked(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")))
    return raw


class _Unpacked(io.RawIOBase):
    """What pyarrow unpacks, as a raw stream: it tells a file that was cut, where zstandard's ends quietly."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _skip(stream: IO[bytes], size_bytes: int) -> None:
    if isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO):
        stream.seek(size_bytes)
        return
    while size_bytes and (data := stream.read(min(size_bytes, BATCH_BYTES))):
        size_bytes -= len(data)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise InputError(f"{file} cannot be read ({error}): restore it, or leave it out.") from error
