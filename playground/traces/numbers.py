"""A trace in numbers that people understand: how much was found, the longest run, the rarest, the stages."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playground.core.think_split import split_thinking

Json = dict[str, Any]
Range = tuple[int, int]
QUOTE_CHARACTERS = 72
SCALES = ((12, "trillion"), (9, "billion"), (6, "million"), (3, "thousand"))
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class PartShare:
    """How much of a part of the text is lit, in percent of its letters."""

    name: str
    percent: int


@dataclass(frozen=True)
class Run:
    """A lit run of words: where it stands, how it reads, how long and how rare it is."""

    start: int
    end: int
    quote: str
    words: int
    one_in: str


@dataclass(frozen=True)
class StageShare:
    """Of the letters that are lit, the share that stands in the data of a stage."""

    stage: str
    percent: int
    runs: int


@dataclass(frozen=True)
class Numbers:
    """`found_percent` counts all runs of the least length, lit or not; of tokens, as in /v1."""

    parts: list[PartShare]
    runs: int
    longest: Run | None
    rarest: Run | None
    stages: list[StageShare]
    found_percent: int

    @classmethod
    def of(cls, text: str, trace: Json, *, is_answer: bool) -> "Numbers":
        spans = trace.get("spans", [])
        longest = max(spans, key=lambda span: len(words_of(span["text"])), default=None)
        rarest = min(spans, key=lambda span: span["log_probability"], default=None)
        return cls(
            parts=[
                PartShare(name, lit_percent(text, spans, part)) for name, part in parts_of(text, is_answer)
            ],
            runs=len(spans),
            longest=run_of(longest) if longest else None,
            rarest=run_of(rarest) if rarest else None,
            stages=stage_shares(trace),
            found_percent=found_percent(trace),
        )


def parts_of(text: str, is_answer: bool) -> list[tuple[str, Range]]:
    """Name and characters of each part: an answer's thinking is counted by itself."""
    if not is_answer:
        return [("text", (0, len(text)))]
    split = split_thinking(text)
    parts = [("answer", split.answer), ("thinking", split.thinking)]
    return [(name, part) for name, part in parts if part and part[0] < part[1]]


def lit_percent(text: str, spans: Sequence[Json], part: Range) -> int:
    """The share of a part's letters, white space left out, that lie in spans; 100 only if all of them do."""
    lit = bytearray(len(text))
    for span in spans:
        lit[span["start"] : span["end"]] = b"\1" * (span["end"] - span["start"])
    letters = [place for place in range(*part) if not text[place].isspace()]
    found = sum(lit[place] for place in letters)
    return whole_percent(found, len(letters))


def whole_percent(found: float, of: float) -> int:
    """Rounded, but 0 and 100 only where it is exactly that."""
    if not of or found <= 0:
        return 0
    return 100 if found >= of else min(99, max(1, round(100 * found / of)))


def found_percent(trace: Json) -> int:
    novel = trace.get("coverage", {}).get("novel_share")
    return whole_percent(1 - novel, 1) if novel is not None else 0


def run_of(span: Json) -> Run:
    words = words_of(span["text"])
    quote = " ".join(words)
    if len(quote) > QUOTE_CHARACTERS:
        quote = quote[: QUOTE_CHARACTERS - 1].rstrip() + "…"
    return Run(span["start"], span["end"], quote, len(words), one_in(span["log_probability"]))


def words_of(text: str) -> list[str]:
    return re.findall(r"\S+", text)


def one_in(log_probability: float) -> str:
    """The tries it takes on average to draw the run's tokens by chance, in two digits: "70 billion".

    `log_probability` is the natural logarithm of the chance that tokens drawn one by one, each as often as
    it stands in the training data, are these, in this order.
    """
    power = -log_probability / math.log(10)
    if power < 1:
        return "a few"
    if power >= 15:
        return "10" + str(round(power)).translate(SUPERSCRIPTS)
    digits, exponent = f"{10 ** (power % 1):.1e}".split("e")
    count = round(float(digits) * 10 ** (math.floor(power) + int(exponent)), 1 - math.floor(power))
    for scale, word in SCALES:
        if count >= 10**scale:
            return f"{count / 10**scale:.3g} {word}"
    return f"{count:.0f}"


def stages_in_order(trace: Json) -> list[str]:
    """The stages whose data was searched, in the flow's order."""
    return list(dict.fromkeys(index["stage"] for index in trace.get("indexes", [])))


def stage_shares(trace: Json) -> list[StageShare]:
    """Each stage's share of the lit letters. A run that stands in the data of several counts for each."""
    spans = trace.get("spans", [])
    total = len(covered(spans))
    shares = []
    for stage in stages_in_order(trace):
        holding = [span for span in spans if span["stages"].get(stage)]
        shares.append(StageShare(stage, whole_percent(len(covered(holding)), total), len(holding)))
    return shares


def covered(spans: Sequence[Json]) -> set[int]:
    return {place for span in spans for place in range(span["start"], span["end"])}
