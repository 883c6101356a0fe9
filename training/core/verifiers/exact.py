"""Answers that have to be recited to the letter."""

from typing import Any

from training.core.verifiers.verdict import Verdict, VerifierError, conclusion, right, shown, wrong


class ExactVerifier:
    """1 where what follows the thinking is the reference, white space at its ends aside."""

    def check_reference(self, reference: Any) -> None:
        if not isinstance(reference, str):
            raise VerifierError(f"the exact verifier needs a text, not {shown(str(reference))}")

    def verify(self, answer: str, reference: Any, question: str = "") -> Verdict:
        said = conclusion(answer)
        if said is None:
            return wrong("the thinking never ends")
        return right("to the letter") if said == reference.strip() else wrong(f"it says {shown(said)}")
