"""Finding the answer that a text states last, and reading it where it is a plain number."""

import re
import unicodedata
from collections import deque
from fractions import Fraction

from training.core.verifiers.verdict import conclusion

LONGEST_TEXT = 1 << 20
LONGEST_STATEMENT = 400
STATEMENTS_MAX = 64
LONGEST_NUMBER = 60
LARGEST_EXPONENT = 300
STATED = re.compile(
    r"\\boxed\s*\{|####\s*|\banswer\s*(?:is|are|:|=)\s*:?\s*|\bAnswer\s+(?=[-\d$\\])", re.IGNORECASE
)
SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
NUMBER = re.compile(
    r"(?P<sign>[-+]?)[$€£]?(?P<digits>\d{1,3}(?:,\d{3})+|\d*)(?P<decimals>\.\d*)?"
    r"(?:e(?P<exponent>[-+]?\d+))?(?:/(?P<below>\d+))?(?:\\?%)?",
    re.IGNORECASE,
)
UNIT = re.compile(r"(?P<number>[-+]?[$€£]?[\d.,/]+%?)\s+[^\W\d][^\d]*")
WRAPPERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"))
TEXT_COMMAND = re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}")
HEDGES = re.compile(r"\b(?:or|either|maybe|perhaps|possibly)\b", re.IGNORECASE)


class Unstated(Exception):
    """The text states no single answer; the message says why."""


def last_statement(text: str) -> str:
    r"""The answer that the text states last after its thinking: in \boxed{}, after "the answer is",
    "Answer:" or ####, or the whole of a text of one short line. Raises Unstated where there is none or where
    its last line states several."""
    said = conclusion(text[-LONGEST_TEXT:])
    if said is None:
        raise Unstated("the thinking never ends")
    found = deque(STATED.finditer(said), maxlen=STATEMENTS_MAX)
    read = [(marker.start(), cleaned(read_statement(said, marker))) for marker in found]
    stated = [(place, statement) for place, statement in read if statement]
    if not stated:
        return whole_line(said)
    place, last = stated[-1]
    line_start = said.rfind("\n", 0, place) + 1
    others = {part for start, part in stated if start >= line_start} - {last}
    if any(not agree(part, last) for part in others):
        raise Unstated(f"its last line states more than one answer: {', '.join([*sorted(others), last])}")
    return last


def whole_line(said: str) -> str:
    if not said or "\n" in said or len(said) > LONGEST_NUMBER:
        raise Unstated("it states no answer")
    return cleaned(said)


def agree(one: str, other: str) -> bool:
    r"""Whether two statements of one line are the same, as in "The answer is $\boxed{4}$"."""
    boxed = any(f"\\boxed{{{inner}" in outer for inner, outer in ((one, other), (other, one)))
    return one == other or boxed or (number_of(one) is not None and number_of(one) == number_of(other))


def read_statement(said: str, found: re.Match[str]) -> str:
    """What is stated behind a marker: up to the closing brace, or to the end of the sentence or line."""
    rest = said[found.end() : found.end() + LONGEST_STATEMENT]
    if found.group().startswith("\\boxed"):
        return rest[: closing_brace(rest)]
    line = rest.split("\n", 1)[0]
    box = line.find("\\boxed")
    if box >= 0 and not re.search(r"\w", line[:box]):
        return ""  # the box itself is found next
    end = SENTENCE_END.search(line)
    return line[: end.start()] if end else line


def closing_brace(text: str) -> int:
    """Place of the brace that closes the one before `text`; the end of the text where there is none."""
    depth = 1
    for place, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if not depth:
            return place
    return len(text)


def cleaned(statement: str) -> str:
    """Without what only sets it off: dollar signs, bold, \\text{}, spaces; digits of any script as ASCII."""
    text = plain_digits(TEXT_COMMAND.sub(r"\1", statement)).strip().rstrip(".;,:").strip()
    for opening, closing in WRAPPERS:
        if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing):
            text = text[len(opening) : -len(closing)].strip()
    return text.replace("\\!", "").replace("\\,", "").replace("\\$", "$").replace("\\%", "%").strip()


def plain_digits(text: str) -> str:
    """Decimal digits and signs of every script as ASCII; superscripts are powers and stay."""
    return "".join(
        str(unicodedata.decimal(character)) if unicodedata.category(character) == "Nd" else character
        for character in text.translate({0x2212: "-", 0x2013: "-", 0xFF0D: "-", 0xFF0B: "+", 0xA0: " "})
    )


def number_of(statement: str) -> Fraction | None:
    """The number that a statement is, a unit or per cent sign after it or not (50 % is 50); None for anything
    else, or for one too large to be meant."""
    unit = UNIT.fullmatch(statement)
    if unit and not HEDGES.search(statement):
        statement = unit["number"]
    found = NUMBER.fullmatch(statement.replace(" ", "")) if len(statement) <= LONGEST_NUMBER else None
    if found is None or not (found["digits"] or (found["decimals"] or ".") != "."):
        return None
    exponent, below = int(found["exponent"] or 0), int(found["below"] or 1)
    if abs(exponent) > LARGEST_EXPONENT or not below:
        return None
    value = Fraction(f"{found['digits'].replace(',', '') or '0'}{found['decimals'] or ''}".rstrip("."))
    value = value * Fraction(10) ** exponent / below
    return -value if found["sign"] == "-" else value
