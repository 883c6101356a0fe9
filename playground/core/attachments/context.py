"""How attached files stand in a prompt: each in a fence under its name, before the question."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FENCES = re.compile(r"`{3,}")


@dataclass(frozen=True)
class AttachedText:
    """A file as the model is given it."""

    name: str
    text: str
    language: str = ""


def with_files(prompt: str, files: Iterable[AttachedText]) -> str:
    """The prompt with the files' texts before it."""
    return "\n\n".join([*(fenced(file) for file in files), prompt])


def fenced(file: AttachedText) -> str:
    """One file. Its fence is longer than any in the text, so that nothing in the text ends it."""
    fence = "`" * max(3, 1 + longest(FENCES.findall(file.text)))
    return f"{file.name}:\n{fence}{file.language}\n{file.text.rstrip()}\n{fence}"


def longest(fences: Sequence[str]) -> int:
    return max(map(len, fences), default=0)
