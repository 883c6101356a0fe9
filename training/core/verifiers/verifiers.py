"""All the verifiers by name, and mixtures of them."""

import math
from collections.abc import Mapping
from typing import Any

from training.core.verifiers.code import CodeVerifier
from training.core.verifiers.constraints import ConstraintsVerifier
from training.core.verifiers.exact import ExactVerifier
from training.core.verifiers.judge import Endpoint, JudgeVerifier
from training.core.verifiers.math import MathVerifier
from training.core.verifiers.verdict import Verdict, Verifier, VerifierError, shown


class Verifiers:
    """One verifier of each kind, shared; a context manager that ends their processes.

    `math`, `exact`, `code` (pass rate), `code_all` (all or nothing), `constraints`, and `judge` where an
    endpoint is configured.
    """

    def __init__(self, *, judge: Endpoint | None = None) -> None:
        self._math = MathVerifier()
        self._kinds: dict[str, Verifier] = {
            "math": self._math,
            "exact": ExactVerifier(),
            "code": CodeVerifier(),
            "code_all": CodeVerifier(score="all"),
            "constraints": ConstraintsVerifier(),
            "judge": JudgeVerifier(judge),
        }

    def find(self, description: Any) -> Verifier:
        """The verifier that an item names: a kind, or kinds with weights, {"math": 0.7, "constraints": 0.3},
        whose reference is then an object with a reference for each. Raises VerifierError."""
        if isinstance(description, Mapping):
            return MixedVerifier({name: (self._kind(name), w) for name, w in description.items()})
        return self._kind(description)

    def _kind(self, name: Any) -> Verifier:
        if not isinstance(name, str) or name not in self._kinds:
            raise VerifierError(
                f"there is no verifier {shown(str(name))}: name one of {', '.join(self._kinds)}, or several "
                "with weights"
            )
        return self._kinds[name]

    def __enter__(self) -> "Verifiers":
        return self

    def __exit__(self, *exception: object) -> None:
        self._math.close()


class MixedVerifier:
    """The weighted mean of several verifiers' rewards, each with its own reference by name."""

    def __init__(self, parts: Mapping[str, tuple[Verifier, Any]]) -> None:
        if not parts or not all(is_weight(weight) for _, weight in parts.values()):
            raise VerifierError(
                "weights of verifiers are positive numbers, such as {'math': 0.7, 'exact': 0.3}"
            )
        self._parts = parts

    def check_reference(self, reference: Any) -> None:
        if not isinstance(reference, Mapping) or reference.keys() != self._parts.keys():
            raise VerifierError(f"the reference needs one for each of {', '.join(self._parts)}, by name")
        for name, (verifier, _) in self._parts.items():
            verifier.check_reference(reference[name])

    def verify(self, answer: str, reference: Any, question: str = "") -> Verdict:
        total = sum(weight for _, weight in self._parts.values())
        verdicts = {
            name: verifier.verify(answer, reference[name], question)
            for name, (verifier, _) in self._parts.items()
        }
        reward = sum(self._parts[name][1] * verdict.reward for name, verdict in verdicts.items()) / total
        missing = {kind: why for verdict in verdicts.values() for kind, why in verdict.missing.items()}
        reason = "; ".join(
            f"{name} {verdict.reward:.3g}: {verdict.reason}" for name, verdict in verdicts.items()
        )
        return Verdict(min(1.0, max(0.0, reward)), reason, missing)


def is_weight(weight: Any) -> bool:
    is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
    return is_number and math.isfinite(weight) and 0 < weight <= 1e6
