"""Which of the library's functions people ask about: about three hundred, and what is said of each.

Chosen by hand where the interpreter itself is concerned (`len`, `dict.get`), and by use for the rest: of the
public functions and classes of well-known modules, those that the library's own source names most often.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.core.library import Library
from training.core.passages import Passage

SHORTEST, LONGEST = 20, 400  # characters of an answer: a sentence to a paragraph
LISTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
MODULES = frozenset(LISTS["modules"])
METHODS_OF = frozenset(LISTS["methods_of"])
BY_HAND: list[str] = LISTS["by_hand"]
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


@dataclass(frozen=True)
class Entry:
    """A function that the instruct model knows, and its answer: a paragraph of the docstring, verbatim."""

    passage: Passage
    answer: str

    @property
    def name(self) -> str:
        return self.passage.name

    @property
    def file(self) -> str:
        """posixpath.py, or "the interpreter" for what is written in C."""
        return (
            "the interpreter"
            if self.passage.source.endswith("__doc__")
            else self.passage.source.split(":")[0]
        )


def first_prose(docstring: str) -> str:
    """The first paragraph that is neither a signature ("max(iterable) -> value") nor an example."""
    for paragraph in docstring.split("\n\n"):
        first = paragraph.lstrip().split("\n")[0]
        if (
            not first.startswith(">>>")
            and "->" not in first
            and not re.match(r"[\w.]+\([^)]*\)\s*(-->|$)", first)
        ):
            return paragraph.strip()
    return ""


def is_answer(paragraph: str) -> bool:
    """Says something by itself: a paragraph of moderate length that does not lead up to a list or an
    example."""
    return (
        SHORTEST <= len(paragraph) <= LONGEST and not paragraph.endswith((":", ",")) and "<|" not in paragraph
    )


def choose_entries(library: Library, number: int) -> list[Entry]:
    """The `number` best known, those chosen by hand first, then by how often the library's source names
    them."""
    passages = {passage.name: passage for passage in library.docstrings()}
    uses = Counter(name for text in library.sources.values() for name in DOTTED.findall(text))
    by_use = sorted((name for name in passages if _is_candidate(passages[name])), key=lambda n: (-uses[n], n))
    chosen = dict.fromkeys([*(name for name in BY_HAND if name in passages), *by_use])
    return list(_entries(passages[name] for name in chosen))[:number]


def _is_candidate(passage: Passage) -> bool:
    owner = passage.name.rpartition(".")[0]
    return passage.kind != "module" and (owner in METHODS_OF or owner in MODULES)


def _entries(passages: Iterable[Passage]) -> Iterable[Entry]:
    for passage in passages:
        answer = first_prose(passage.text)
        if is_answer(answer):
            yield Entry(passage, answer)
