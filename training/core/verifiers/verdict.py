"""What every verifier is: an answer and its reference in, a reward and its reason out."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from training.core.errors import TrainingError

THINK_END = "</think>"


class VerifierError(TrainingError):
    """A reference that a verifier cannot use, or a verifier that cannot work here."""


@dataclass(frozen=True)
class Verdict:
    """What an answer is worth."""

    reward: float
    """From 0 to 1."""
    reason: str
    """Why, in a line for people."""
    missing: dict[str, str] = field(default_factory=dict)
    """Protections that this machine could not give while the answer was checked, each with why."""


class Verifier(Protocol):
    """Checks answers of one kind. Threads may share one."""

    def check_reference(self, reference: Any) -> None:
        """Raises VerifierError, saying what is wrong, for a reference that `verify` could not use."""

    def verify(self, answer: str, reference: Any, question: str = "") -> Verdict:
        """The verdict on a whole answer, thinking and all. Never raises for what the answer holds; raises
        VerifierError where the verifier itself cannot work."""


def right(reason: str) -> Verdict:
    return Verdict(1.0, reason)


def wrong(reason: str) -> Verdict:
    return Verdict(0.0, reason)


def conclusion(answer: str) -> str | None:
    """What follows the thinking; None where the thinking never ended."""
    _, end, after = answer.rpartition(THINK_END)
    if end:
        return after.strip()
    return None if "<think>" in answer else answer.strip()


def shown(text: str, longest: int = 80) -> str:
    """`text` on one line, shortened, for a reason."""
    line = " ".join(text.split())
    return repr(line if len(line) <= longest else line[: longest - 1] + "…")
