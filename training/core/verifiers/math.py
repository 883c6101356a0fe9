"""Mathematical answers: the one stated last, compared with the reference as a number or as an expression."""

from typing import Any

from training.core.verifiers.statement import HEDGES, Unstated, cleaned, last_statement, number_of
from training.core.verifiers.symbolic import Comparer, TooSlow
from training.core.verifiers.verdict import Verdict, VerifierError, right, shown, wrong

TIMEOUT_S = 5.0
LONGEST = 300


class MathVerifier:
    """1 for the reference's value, 0 for anything else: no answer, several, or one that takes too long to
    compare. The reference is a text or a number. Plain numbers are compared exactly, here; everything else by
    math-verify (https://github.com/huggingface/math-verify) in a confined process."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s, self._comparer = timeout_s, Comparer(timeout_s=timeout_s)

    def check_reference(self, reference: Any) -> None:
        if isinstance(reference, bool) or not isinstance(reference, str | int | float):
            raise VerifierError(f"the math verifier needs a text or a number, not {shown(str(reference))}")
        if not 0 < len(str(reference).strip()) <= LONGEST:
            raise VerifierError(f"a reference for the math verifier has 1 to {LONGEST} characters")

    def verify(self, answer: str, reference: Any, question: str = "") -> Verdict:
        expected = cleaned(str(reference))
        try:
            stated = last_statement(answer)
        except Unstated as reason:
            return wrong(str(reason))
        if HEDGES.search(stated) and not HEDGES.search(expected):
            return wrong(f"it does not settle on one answer: {shown(stated)}")
        if stated.replace(" ", "") == expected.replace(" ", ""):
            return right(f"{shown(stated)} is the reference")
        return self._compare(stated, expected)

    def close(self) -> None:
        """End the process that compares."""
        self._comparer.close()

    def _compare(self, stated: str, expected: str) -> Verdict:
        differs = f"{shown(stated)} is not {shown(expected)}"
        ours, theirs = number_of(stated), number_of(expected)
        if ours is not None and theirs is not None:
            return right(f"{shown(stated)} equals {shown(expected)}") if ours == theirs else wrong(differs)
        if len(stated) > LONGEST:
            return wrong(f"{shown(stated)} is too long to be compared")
        try:
            same = self._comparer.same(expected, stated)
        except TooSlow:
            return wrong(f"{shown(stated)} could not be compared in {self._timeout_s:g} s")
        return right(f"{shown(stated)} equals {shown(expected)}") if same else wrong(differs)
