"""The process that compares mathematical expressions: `python -m training.core.verifiers.symbolic_child`.

Reads a JSON list [reference, statement] a line and answers true, false or an error's text a line. Parsing
evaluates what it is given, and may never end: the process is confined once its libraries are loaded, and
whoever asks ends it when it takes too long.
"""

import json
import sys

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

from training.core.verifiers.confinement.confine import REQUIRED, confine
from training.core.verifiers.confinement.limits import MIB, Limits

LIMITS = Limits(memory_bytes=2048 * MIB, file_bytes=0, open_files=64)
FORMS = (LatexExtractionConfig(), ExprExtractionConfig())
WARM = ("\\frac{1}{2}", "x^2 + 1/2")


def main() -> None:
    same(*WARM)
    missing = confine(LIMITS, packages=True)
    if REQUIRED & missing.keys():
        answer({"refused": f"this machine cannot confine it: {missing}"})
        return
    answer({"ready": True})
    for line in sys.stdin:
        reference, statement = json.loads(line)
        try:
            answer({"same": same(reference, statement)})
        except Exception as error:  # of any of three libraries, over any text
            answer({"error": f"{type(error).__name__}: {error}"[:300]})


def same(reference: str, statement: str) -> bool:
    """Whether two expressions, LaTeX or plain, are equal as math-verify sees it."""
    gold, target = (
        parse(f"${text}$", extraction_config=FORMS, parsing_timeout=None, fallback_mode="no_fallback")
        for text in (reference, statement)
    )
    return bool(gold and target and verify(gold, target, timeout_seconds=None))


def answer(fact: dict[str, object]) -> None:
    print(json.dumps(fact), flush=True)


if __name__ == "__main__":
    main()
