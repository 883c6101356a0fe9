"""Programs: run in the sandbox, by tests or by what they print."""

import dataclasses
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from training.core.verifiers.confinement.limits import Limits
from training.core.verifiers.confinement.sandbox import Ran, run_code
from training.core.verifiers.verdict import Verdict, VerifierError, conclusion, shown, wrong

BLOCK = re.compile(r"^```(?:python|py|python3)?[ \t]*\n(.*?)^```", re.DOTALL | re.MULTILINE | re.IGNORECASE)
TESTS_MAX = 64
TOTAL_S = 60.0
"""No test is begun after this."""
LONGEST_CODE = 1 << 18


class CodeVerifier:
    """Runs the answer's last fenced block of Python (or the answer itself, where it has none) once a test.

    The reference is {"tests": ["assert add(2, 3) == 5", ...]}, run after the code in its own process, or
    {"cases": [{"stdin": "2 3\\n", "stdout": "5\\n"}, ...]}, whose output is compared here and so cannot be
    forged; white space at line ends and at the end does not count. The reward is the pass rate, or with
    `score="all"` 1 only where every test passes.
    """

    def __init__(self, *, score: Literal["rate", "all"] = "rate", limits: Limits | None = None) -> None:
        self._score, self._limits = score, limits or Limits()

    def check_reference(self, reference: Any) -> None:
        kind = next(iter(reference)) if isinstance(reference, Mapping) and len(reference) == 1 else None
        rows = reference[kind] if kind in ("tests", "cases") else None
        if not isinstance(rows, list) or not 1 <= len(rows) <= TESTS_MAX:
            raise VerifierError(
                f'the code verifier needs {{"tests": [...]}} or {{"cases": [...]}}, 1 to {TESTS_MAX}'
            )
        for row in rows:
            if not (isinstance(row, str) if kind == "tests" else is_case(row)):
                raise VerifierError(
                    f"{shown(str(row))} is no test: write Python, or stdin and stdout as texts"
                )

    def verify(self, answer: str, reference: Any, question: str = "") -> Verdict:
        said = conclusion(answer)
        if said is None:
            return wrong("the thinking never ends")
        code = code_of(said)
        if len(code) > LONGEST_CODE:
            return wrong(f"{len(code):,} characters of code are too many; at most {LONGEST_CODE:,} are run")
        ran = self._run_all(code, reference.get("tests") or reference["cases"])
        passed = sum(one.passed for one in ran)
        failure = next((f": {one.reason}" for one in ran if not one.passed), "")
        reward = passed / len(ran) if self._score == "rate" else float(passed == len(ran))
        return Verdict(reward, f"{passed} of {len(ran)} tests passed{failure}", ran[0].missing)

    def _run_all(self, code: str, rows: Sequence[Any]) -> list[Ran]:
        """One run a test, until the time for all of them is up."""
        deadline, ran = time.monotonic() + TOTAL_S, list[Ran]()
        for row in rows:
            in_time = not ran or time.monotonic() < deadline
            ran.append(self._run(code, row) if in_time else Ran(False, "the time for all tests is up"))
        return ran

    def _run(self, code: str, test: Any) -> Ran:
        if isinstance(test, str):
            return run_code(code, test=test, limits=self._limits)
        ran = run_code(code, stdin=test["stdin"], limits=self._limits)
        if ran.passed and lines_of(ran.output) != lines_of(test["stdout"]):
            told = f"printed {shown(ran.output)} for {shown(test['stdin'])}"
            return dataclasses.replace(ran, passed=False, reason=told)
        return ran


def is_case(row: Any) -> bool:
    return isinstance(row, Mapping) and all(isinstance(row.get(name), str) for name in ("stdin", "stdout"))


def code_of(answer: str) -> str:
    blocks = BLOCK.findall(answer)
    return str(blocks[-1]) if blocks else answer


def lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]
