"""The demo's long documents: whole modules of the library, and texts made to need what is far back."""

import random
from collections.abc import Iterator, Sequence
from functools import partial

from training.core import arithmetic
from training.core.long_context.compressibility import drop_extremes
from training.core.long_context.texts import LongText, Maker, copying, counting, needle
from training.core.passages import Passage, source_url

CHARACTERS_A_TOKEN = 3  # of code and documentation, by the demo's tokenizer; a rough measure of length
MAKERS: dict[str, Maker] = {"needle": partial(needle, dense=True), "count": counting, "copy": copying}


def module_passages(sources: dict[str, str], tokens: int) -> list[Passage]:
    """The first `tokens` tokens or so of the modules that have as many, and of packages whose modules have
    them one after the other; without those that compress most and least. `sources`: path -> text."""
    together: dict[str, list[str]] = {}
    for path in sources:
        together.setdefault(path.split("/")[0], []).append(path)
    characters = tokens * CHARACTERS_A_TOKEN
    passages = [joined(paths, sources, characters) for paths in together.values()]
    long = [one for one in passages if len(one.text) == characters]
    return drop_extremes(long, lambda passage: passage.text)


def joined(paths: Sequence[str], sources: dict[str, str], characters: int) -> Passage:
    text = "\n\n".join(f"# {path}\n{sources[path]}" for path in paths)[:characters]
    name = paths[0].split("/")[0].removesuffix(".py")
    return Passage(name, "source", "", text, f"{paths[0]}:1", source_url(f"Lib/{paths[0]}"))


def made_texts(
    rng: random.Random, passages: Sequence[str], number: int, tokens: int
) -> Iterator[tuple[str, LongText]]:
    """`number` texts of each kind in turn, of an eighth of `tokens` to `tokens` tokens, with their kinds."""
    for count in range(number):
        kind = list(MAKERS)[count % len(MAKERS)]
        length = round(tokens * 2 ** rng.uniform(-3, 0))
        yield kind, MAKERS[kind](rng, passages, length * CHARACTERS_A_TOKEN)


def made_metadata(kind: str, number: int, seed: int) -> dict[str, str]:
    """Where a made text is from."""
    return {
        "corpus": "headwater-long",
        "source": f"training/core/long_context/texts.py {kind} {number}, seed {seed}",
        "url": "",
        "title": f"Long text {number}: {kind}",
        "licence": arithmetic.LICENCE,
        "date": "",
    }
