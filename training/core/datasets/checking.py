"""One pass over an uploaded file: every row checked, in bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.core.datasets.formats import read_row
from training.core.datasets.functions import holds_functions
from training.core.datasets.limits import BAD_SHARE_MAX, LOOKED_AT_FIRST, ROW_BYTES_MAX, ROWS_MAX
from training.core.datasets.lines import Line, check_file, read_lines
from training.core.datasets.parsing import parse_row
from training.core.datasets.problems import Problems, RowError
from training.core.datasets.repeats import Repeats
from training.core.datasets.rows import ChatRow, Row, texts_of
from training.core.errors import DatasetError
from training.core.verifiers.verdict import THINK_END
from training.core.verifiers.verifiers import Verifiers

Progress = Callable[[int], None]
"""Told how many bytes of the file are done."""


@dataclass
class Findings:
    """What is known of a file's rows."""

    format: str = ""
    """That of the first row that could be used; of all of these."""
    rows: int = 0
    """Rows that can be used."""
    blank: int = 0
    turns: int = 0
    characters: int = 0
    thinking: int = 0
    """Conversations whose answers think before they speak."""
    functions: int = 0
    """Rows that offer functions, or call them."""
    stopped: str = ""
    """Why the rest was not read, if it was not."""
    problems: Problems = field(default_factory=Problems)
    repeats: Repeats = field(default_factory=Repeats)

    @property
    def thinks(self) -> bool:
        return 2 * self.thinking > self.rows

    def take(self, line: int, row: Row) -> None:
        """Count a row that can be used; RowError for one of another format than those before."""
        self.format = self.format or row.format
        if row.format != self.format:
            raise RowError("other-format", f"it is of the format {row.format}, those before of {self.format}")
        texts = texts_of(row)
        self.rows += 1
        self.turns += len(texts)
        self.characters += sum(map(len, texts))
        self.thinking += isinstance(row, ChatRow) and any(THINK_END in text for text in texts)
        self.functions += holds_functions(row.said)
        self.repeats.add(line, texts)

    def to_json(self) -> dict[str, Any]:
        simple = ("format", "rows", "blank", "turns", "characters", "thinks", "functions", "stopped")
        found = {name: getattr(self, name) for name in simple}
        return found | {"problems": self.problems.to_json(), "repeats": self.repeats.result().to_json()}


def check_rows(path: Path, verifiers: Verifiers, progress: Progress | None = None) -> Findings:
    """Reads every row of the file. Raises DatasetError for a file that cannot be used whatever its rows."""
    check_file(path)
    found = Findings()
    for line in lines_of(path):
        if progress is not None:
            progress(line.end)
        if line.data is not None and not line.data.strip():
            found.blank += 1
            continue
        try:
            found.take(line.number, checked_row(line, verifiers))
        except RowError as error:
            found.problems.add(line.number, error)
        check_counts(found)
        if found.stopped:
            break
    if not found.rows and not found.problems.total:
        raise DatasetError("the file holds blank lines only: send one with a JSON object on each line")
    return found


def check_counts(found: Findings) -> None:
    """Ends the reading where it would only repeat what is known. Raises DatasetError for too many rows."""
    bad = found.problems.total
    seen = found.rows + bad
    if seen > ROWS_MAX:
        raise DatasetError(f"the file has more than {ROWS_MAX:,} rows: split it, and send the parts")
    if seen == LOOKED_AT_FIRST and bad > BAD_SHARE_MAX * seen:
        found.stopped = f"{bad:,} of the first {seen:,} rows cannot be used, so the rest was not read"


def checked_row(line: Line, verifiers: Verifiers) -> Row:
    """The row on a line. Raises RowError."""
    if line.data is None:
        raise RowError("long", f"it has more than {ROW_BYTES_MAX:,} bytes")
    return read_row(parse_row(line.data), verifiers)


def lines_of(path: Path) -> Iterator[Line]:
    try:
        with path.open("rb") as file:
            yield from read_lines(file)
    except OSError as error:
        raise DatasetError(f"the file cannot be read ({error.strerror}): upload it again") from error


def good_rows(path: Path, format: str, verifiers: Verifiers) -> Iterator[tuple[int, Row]]:
    """The rows that a check found good, each with its line; the others are passed over."""
    for line in lines_of(path):
        if line.data is not None and not line.data.strip():
            continue
        try:
            row = checked_row(line, verifiers)
        except RowError:
            continue
        if row.format == format:
            yield line.number, row
