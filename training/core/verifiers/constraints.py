"""Constraints on how an answer is written, of the kinds that IFEval has (arXiv 2311.07911, table 1)."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from training.core.verifiers.verdict import Verdict, VerifierError, conclusion, right, shown, wrong

LONGEST = 1 << 18
CONSTRAINTS_MAX = 32
COUNT_MAX = 1_000_000
WORD = re.compile(r"\w+(?:['’-]\w+)*")
SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)")
BULLET = re.compile(r"^[ \t]*[*+•-][ \t]+\S", re.MULTILINE)
PLACEHOLDER = re.compile(r"\[[^\[\]\n]+\]")
HIGHLIGHT = re.compile(r"(?<!\*)\*(?!\*)[^*\n]+\*(?!\*)|\*\*[^*\n]+\*\*")
FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n```", re.DOTALL | re.IGNORECASE)
TITLE = re.compile(r"<<[^<>\n]+>>")

Check = Callable[[str, Any], bool]


def words(text: str) -> int:
    return len(WORD.findall(text))


def sentences(text: str) -> int:
    return sum(1 for part in SENTENCE_END.split(text) if WORD.search(part))


def paragraphs(text: str) -> int:
    return len(
        [part for part in re.split(r"\n\s*\n|^\s*\*{3}\s*$", text, flags=re.MULTILINE) if part.strip()]
    )


def bullets(text: str) -> int:
    return len(BULLET.findall(text))


def times(text: str, word: str) -> int:
    """How often a word or phrase occurs, on its own, in any case."""
    return len(re.findall(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE))


def is_json(text: str) -> bool:
    """The whole answer is one JSON object or list, fenced or not."""
    fenced = FENCED.fullmatch(text)
    try:
        return isinstance(json.loads(fenced[1] if fenced else text), dict | list)
    except (ValueError, RecursionError):
        return False


def same_end(text: str, ending: str) -> bool:
    return text.rstrip().rstrip("\"'*_ ").casefold().endswith(ending.strip().casefold())


COUNTED: dict[str, Callable[[str], int]] = {
    "words": words,
    "sentences": sentences,
    "paragraphs": paragraphs,
    "bullets": bullets,
    "placeholders": lambda text: len(PLACEHOLDER.findall(text)),
    "highlights": lambda text: len(HIGHLIGHT.findall(text)),
    "characters": len,
}
"""Each is constrained by one or more of `at_least`, `at_most` and `exactly`."""

LISTED: dict[str, Check] = {
    "keywords": lambda text, listed: all(times(text, word) for word in listed),
    "forbidden_words": lambda text, listed: not any(times(text, word) for word in listed),
}
PHRASED: dict[str, Check] = {
    "starts_with": lambda text, phrase: text.lstrip().casefold().startswith(phrase.strip().casefold()),
    "ends_with": same_end,
    "two_answers_by": lambda text, line: len([part for part in text.split(line) if part.strip()]) == 2,
}
PLAIN: dict[str, Callable[[str], bool]] = {
    "json": is_json,
    "lower_case": lambda text: text == text.lower() and text != text.upper(),
    "upper_case": lambda text: text == text.upper() and text != text.lower(),
    "no_commas": lambda text: "," not in text,
    "title": lambda text: TITLE.search(text) is not None,
    "quoted": lambda text: len(text) > 2 and text[0] == text[-1] == '"',
}
KINDS = sorted([*COUNTED, *LISTED, *PHRASED, *PLAIN, "keyword_times"])


@dataclass(frozen=True)
class Bounds:
    """How many there may be."""

    low: int
    high: int

    def __contains__(self, count: int) -> bool:
        return self.low <= count <= self.high


class ConstraintsVerifier:
    """1 where every constraint holds, else 0. The reference is a list of objects, each with a `kind`:

    - a count (`words`, `sentences`, `paragraphs`, `bullets`, `placeholders`, `highlights`, `characters`, or
      `keyword_times` with a `value`) with `at_least`, `at_most` or `exactly`;
    - `keywords` or `forbidden_words`, with a list of words as `value`;
    - `starts_with`, `ends_with` or `two_answers_by`, with a text as `value`;
    - `json`, `lower_case`, `upper_case`, `no_commas`, `title` (<<so>>) or `quoted`, alone.
    """

    def check_reference(self, reference: Any) -> None:
        if not isinstance(reference, list) or not 1 <= len(reference) <= CONSTRAINTS_MAX:
            raise VerifierError(
                f"the constraints verifier needs a list of 1 to {CONSTRAINTS_MAX} constraints"
            )
        for constraint in reference:
            check_constraint(constraint)

    def verify(self, answer: str, reference: Any, question: str = "") -> Verdict:
        said = conclusion(answer)
        if not said or len(said) > LONGEST:
            return wrong("there is no answer" if not said else "the answer is too long to be checked")
        broken = [described(constraint) for constraint in reference if not holds(said, constraint)]
        if broken:
            return wrong(f"{len(broken)} of {len(reference)} constraints broken: {', '.join(broken)}")
        return right(f"all {len(reference)} constraints hold")


def holds(text: str, constraint: Mapping[str, Any]) -> bool:
    kind, value = constraint["kind"], constraint.get("value")
    if kind in COUNTED:
        return COUNTED[kind](text) in bounds_of(constraint)
    if kind == "keyword_times":
        return times(text, str(value)) in bounds_of(constraint)
    return PLAIN[kind](text) if kind in PLAIN else (LISTED | PHRASED)[kind](text, value)


def check_constraint(constraint: Any) -> None:
    """Raises VerifierError for one that cannot be checked."""
    kind = constraint.get("kind") if isinstance(constraint, Mapping) else None
    if kind not in KINDS:
        raise VerifierError(f"{shown(str(constraint))} is no constraint: `kind` is one of {', '.join(KINDS)}")
    value = constraint.get("value")
    texts: list[Any] = []
    if kind in LISTED:
        texts = value if isinstance(value, list) and value else [None]
    elif kind in PHRASED or kind == "keyword_times":
        texts = [value]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise VerifierError(f"{kind} needs a `value`: a text, or for lists of words a list of texts")
    if kind in COUNTED or kind == "keyword_times":
        bounds_of(constraint)


def bounds_of(constraint: Mapping[str, Any]) -> Bounds:
    given = {name: constraint[name] for name in ("at_least", "at_most", "exactly") if name in constraint}
    if not given or any(type(n) is not int or not 0 <= n <= COUNT_MAX for n in given.values()):
        raise VerifierError(
            f"{constraint['kind']} needs at_least, at_most or exactly, whole numbers from 0 to {COUNT_MAX:,}"
        )
    exactly = given.get("exactly")
    low, high = given.get("at_least", 0), given.get("at_most", COUNT_MAX)
    return Bounds(low, high) if exactly is None else Bounds(max(low, exactly), min(high, exactly))


def described(constraint: Mapping[str, Any]) -> str:
    details = ", ".join(
        f"{name} {shown(str(value), 40)}" for name, value in constraint.items() if name != "kind"
    )
    return f"{constraint['kind']}{f' ({details})' if details else ''}"
