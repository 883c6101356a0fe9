"""What may be wrong with a row: kinds that are counted, and a sentence each that a person acts upon."""

from dataclasses import asdict, dataclass, field
from typing import Any

from training.core.datasets.limits import PROBLEMS_LISTED

KINDS = {
    "encoding": "not UTF-8",
    "json": "no JSON object",
    "repeated-key": "a key that occurs twice",
    "number": "NaN, Infinity or another number that is none",
    "long": "too long",
    "shape": "missing or of another type",
    "role": "a role that is not known",
    "no-answer": "nothing to learn from",
    "empty": "an empty text",
    "character": "a character that no text holds",
    "token": "a special token spelt out",
    "reference": "a verifier or reference that cannot be used",
    "tools": "functions or calls that cannot be used",
    "other-format": "of another format than the rows before",
}


class RowError(Exception):
    """A row cannot be used: `kind` is one of KINDS, the message says what to change."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Problem:
    """What is wrong with one row."""

    line: int
    kind: str
    message: str


@dataclass
class Problems:
    """All problems of a file: every one counted, the first of them kept."""

    listed: list[Problem] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, line: int, error: RowError) -> None:
        self.counts[error.kind] = self.counts.get(error.kind, 0) + 1
        if len(self.listed) < PROBLEMS_LISTED:
            self.listed.append(Problem(line, error.kind, str(error)))

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def to_json(self) -> dict[str, Any]:
        return {"counts": self.counts, "listed": [asdict(problem) for problem in self.listed]}
