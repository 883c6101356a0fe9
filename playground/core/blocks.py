"""Where the top-level blocks of a Markdown text are, so that each is rendered, painted and sent by itself.

Markdown is parsed line by line: once a later block has begun with a whole line, nothing that follows changes
where the earlier ones end. Of a text that grows only the rest is therefore parsed again.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from markdown_it import MarkdownIt

from playground.core.rendering.fences import end_of_fence

Reference = tuple[str, str, str]
"""A link's definition: its label, address and title."""
References = tuple[Reference, ...]
FORMULA_OPENERS = ("$$", "\\[")
BLANK_END = re.compile(r"\n[ \t]*\r?\n[ \t]*\Z")
LINE_END = re.compile(r"\r\n?|\n")


@dataclass(frozen=True)
class Block:
    """The source of one block, and the character at which it begins in the whole text."""

    start: int
    source: str

    @property
    def end(self) -> int:
        return self.start + len(self.source)

    @cached_property
    def visible_end(self) -> int:
        """Where its last characters that are not blank end."""
        return self.start + len(self.source.rstrip())


class GrowingBlocks:
    """The blocks of a text that only grows; `cutter` parses blocks alone, without what is inside them.

    Definitions of links count for the blocks after them at once, and for those before them once the whole
    text is rendered.
    """

    def __init__(self, cutter: MarkdownIt) -> None:
        self._cutter = cutter
        self._text = ""
        self._done: list[Block] = []
        self._rest = 0  # where the first block begins that may still change
        self.references: References = ()
        self.unchanged = 0
        """So many of the first blocks are at the last call what they were at the one before."""

    def grow(self, text: str) -> list[Block]:
        """The blocks of `text`, which begins with the text before, or else is looked at anew."""
        if not text.startswith(self._text):
            self._done, self._rest, self.references = [], 0, ()
        self._text = text
        self.unchanged = len(self._done)
        rest, references = cut(self._cutter, text, self._rest)
        open_from = next((n for n in reversed(range(len(rest))) if begins_for_certain(rest, n)), 0)
        if open_from:
            self._done += rest[:open_from]
            self._rest = rest[open_from].start
        known = {label for label, _, _ in self.references}
        self.references += tuple(reference for reference in references if reference[0] not in known)
        return [*self._done, *rest[open_from:]]


def begins_for_certain(blocks: list[Block], number: int) -> bool:
    """Whether no further text can make one of the blocks before this one reach into it.

    Its first line must be whole. Formulas may take later lines in, but never a blank one.
    """
    if "\n" not in blocks[number].source:
        return False
    before = blocks[:number]
    may_grow = any(opener in block.source for block in before for opener in FORMULA_OPENERS)
    return not may_grow or bool(before and BLANK_END.search(before[-1].source))


def cut(cutter: MarkdownIt, text: str, start: int = 0) -> tuple[list[Block], list[Reference]]:
    """The blocks of `text` from a character on at which one begins, and the links that these define."""
    behind = end_of_fence(text, start)  # the parser goes through each character of a fence
    if behind is None:
        return parsed(cutter, text, start)
    rest, references = parsed(cutter, text, behind)
    return [Block(start, text[start : rest[0].start if rest else len(text)]), *rest], references


def parsed(cutter: MarkdownIt, text: str, start: int) -> tuple[list[Block], list[Reference]]:
    """The same by the parser alone."""
    environment: dict[str, dict[str, dict[str, str]]] = {}
    tokens = cutter.parse(text[start:], environment)
    lines = [start, *(match.end() for match in LINE_END.finditer(text, start))]
    starts = [
        lines[token.map[0]] for token in tokens if token.level == 0 and token.map and token.nesting >= 0
    ]
    blocks = [Block(begin, text[begin:end]) for begin, end in pairwise([*starts, len(text)])]
    found = environment.get("references", {}).items()
    return blocks, [(label, value["href"], value["title"]) for label, value in found]
