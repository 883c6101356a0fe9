"""Long texts in which something far back has to be found, counted or copied: to learn from and measure by.

Each says which characters a model can only know from what stands before; the rest is there to be in between.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

VERSION = "1"
KEYS = (
    "apples", "bridges", "candles", "doors", "engines", "feathers", "gardens", "hammers", "islands", "jewels",
    "kettles", "ladders", "mirrors", "needles", "oranges", "pencils", "queens", "rivers", "shadows", "tables",
    "umbrellas", "villages", "windows", "yards", "zebras", "boats", "clocks", "drums", "farms", "goats",
)  # fmt: skip
FACTS = (2, 6)  # things that have a number in one needle text, from, to
MENTIONS = 12  # of each, at most, before it is asked for
WORDS = (2, 5)  # words that occur often enough to be counted, from, to
OFTEN = 9
SECOND_TIME = "\n\nThe same again:\n\n"


@dataclass(frozen=True)
class LongText:
    """A text, and `[start, end)` of the characters that what stands before decides."""

    text: str
    answers: tuple[tuple[int, int], ...]


Maker = Callable[[random.Random, Sequence[str], int], LongText]


def fact(key: str, number: int) -> str:
    return f"The number of {key} is {number}."


def needle(rng: random.Random, passages: Sequence[str], characters: int, *, dense: bool = False) -> LongText:
    """Passages with sentences in between that give a few things a number; at the end each is given again.

    A dense one gives them again and again on the way, which is what there is to learn from."""
    numbers = {key: rng.randint(10, 99) for key in rng.sample(KEYS, rng.randint(*FACTS))}
    facts = [fact(*one) for one in numbers.items()]
    recall = rng.sample(facts, len(facts))
    most = max(1, min(MENTIONS, characters // (2 * sum(map(len, facts)))))
    said = facts * (rng.randint(1, most) if dense else 1)
    room = characters - sum(len(one) + 2 for one in [*said, *recall])
    parts = haystack(rng, passages, room)
    for one in said:
        parts.insert(rng.randint(0, len(parts)), one)
    body = "\n\n".join(parts) + "\n\n"
    answers, text = [], body
    for one in recall:
        number = one.rindex(" ") + 1
        answers.append((len(text) + number, len(text) + len(one) - 1))
        text += one + " "
    return LongText(text.rstrip(), tuple(answers))


def counting(rng: random.Random, passages: Sequence[str], characters: int) -> LongText:
    """A list of words, a few of them several times; at the end it is said how often. (CWE: common words.)"""
    common = rng.sample(KEYS, rng.randint(*WORDS))
    counts = {word: rng.randint(2, OFTEN) for word in common}
    words = [word for word, count in counts.items() for _ in range(count)]
    pool = sorted({word for passage in passages for word in passage.split() if word.isalpha()} - set(KEYS))
    room = characters - sum(len(word) + 1 for word in words) - 40 * len(common)
    while room > 0 and pool:
        words.append(rng.choice(pool))
        room -= len(words[-1]) + 1
    rng.shuffle(words)
    assert all(Counter(words)[word] == count for word, count in counts.items())
    text, answers = " ".join(words) + "\n\n", []
    for word, count in rng.sample(list(counts.items()), len(counts)):
        text += f"Of {word} there are "
        answers.append((len(text), len(text) + len(str(count))))
        text += f"{count}. "
    return LongText(text.rstrip(), tuple(answers))


def copying(rng: random.Random, passages: Sequence[str], characters: int) -> LongText:
    """Passages, and at the end the first of them word for word again."""
    longest = characters // 3
    first = rng.choice([one for one in passages if len(one) <= longest] or [passages[0][:longest]])
    between = haystack(rng, passages, characters - 2 * len(first) - len(SECOND_TIME))
    text = "\n\n".join([first, *between]) + SECOND_TIME
    return LongText(text + first, ((len(text), len(text) + len(first)),))


def haystack(rng: random.Random, passages: Sequence[str], characters: int) -> list[str]:
    """Passages drawn at random, of about so many characters together; the last one is cut."""
    parts: list[str] = []
    while characters > 0:
        part = rng.choice(passages)[:characters]
        parts.append(part)
        characters -= len(part) + 2
    return parts
