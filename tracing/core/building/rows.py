"""Rows of a corpus: the text of each, and what else is kept of it."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from tracing.core.errors import InputError

KNOWN_FIELDS: Final = ("id", "source", "url", "title", "licence", "date")
FIELD_BYTES_MAX: Final = 4096
FIELDS_BYTES_MAX: Final = 16384


@dataclass(frozen=True)
class Row:
    """A document's text, and its metadata: KNOWN_FIELDS, and others of the row under "fields"."""

    where: str
    text: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class LineBatch:
    """Lines of a file of JSON lines, from line number `first` on."""

    file: str
    first: int
    data: bytes

    def rows(self, text_field: str) -> Iterator[Row | InputError]:
        """One document a line. Empty lines are passed over."""
        for number, line in enumerate(self.data.split(b"\n"), start=self.first):
            if line.strip():
                yield _row_of_line(line, f"{self.file}:{number}", text_field)


@dataclass(frozen=True)
class TableBatch:
    """Rows of a Parquet file, from row number `first` on, counted from 1."""

    file: str
    first: int
    table: pa.RecordBatch

    def rows(self, text_field: str) -> Iterator[Row | InputError]:
        """One document a row."""
        for number, row in enumerate(self.table.to_pylist(), start=self.first):
            yield _row_of(row, f"{self.file}:{number}", text_field)


@dataclass(frozen=True)
class TextBatch:
    """A text file: one document."""

    file: str
    data: bytes

    def rows(self, text_field: str) -> Iterator[Row | InputError]:
        """The document, called by its file's name."""
        path = Path(self.file)
        try:
            text = self.data.decode("utf-8")
        except UnicodeDecodeError as error:
            yield InputError(f"{path} is not UTF-8 text (byte {error.start}): convert it, or leave it out.")
            return
        yield Row(self.file, text, {"id": self.file, "source": path.name, "title": path.stem})


def whole_text(text: str) -> str:
    """The text, with a question mark for each half of a surrogate pair, which no page can show."""
    return text.encode("utf-8", "replace").decode()


def _row_of_line(line: bytes, where: str, text_field: str) -> Row | InputError:
    try:
        return _row_of(json.loads(line), where, text_field)
    except (ValueError, RecursionError) as error:
        return InputError(f"{where} is no JSON ({error}): correct or remove the line.")


def _row_of(row: Any, where: str, text_field: str) -> Row | InputError:
    text = row.get(text_field) if isinstance(row, dict) else None
    if not isinstance(text, str):
        return InputError(
            f'{where} has no "{text_field}": each row must be an object with a text of type string '
            "(--text-field names it)."
        )
    return Row(where, text, {"id": where, "source": where, **_kept(row, text_field)})


def _kept(row: Mapping[str, Any], text_field: str) -> dict[str, Any]:
    known = {name: _plain(row[name]) for name in KNOWN_FIELDS if name in row and name != text_field}
    kept = {name: value for name, value in known.items() if isinstance(value, str | int | float)}
    others = _bounded({name: row[name] for name in row if name not in (*KNOWN_FIELDS, text_field)})
    return kept | ({"fields": others} if others else {})


def _bounded(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The scalars and objects among `fields`, as many as there is room for."""
    kept, room = {}, FIELDS_BYTES_MAX
    for name, value in fields.items():
        plain = _plain(value)
        if plain is None:
            continue
        size_bytes = len(json.dumps({str(name): plain}))
        if size_bytes <= min(room, FIELD_BYTES_MAX):
            kept[str(name)], room = plain, room - size_bytes
    return kept


def _plain(value: Any) -> Any:
    """A scalar or object as JSON can hold it, dates as text; None for anything else, and for long text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return whole_text(value) if len(value) <= FIELD_BYTES_MAX else None
    if isinstance(value, dict):
        return value if _is_json(value) else None
    return value.isoformat() if hasattr(value, "isoformat") else None


def _is_json(value: dict[str, Any]) -> bool:
    try:
        return len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode()) <= FIELD_BYTES_MAX
    except (TypeError, ValueError, RecursionError):
        return False
