"""The documents of the demo's four token stores, in the order in which they are stored. Generators are
seeded, a stage each, so that one store does not change with the settings of another."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.core import arithmetic
from training.core.chat import Rendered, Turn, render_chatml, render_plain
from training.core.library import Library
from training.core.long_context.corpus import made_metadata, made_texts, module_passages
from training.core.passages import LICENCE, Passage, corpus_name
from training.core.popular import MODULES, Entry
from training.core.questions import PHRASINGS, library_turns, small_talk
from training.core.recipe import PrepareRecipe

VERSION = "1"
TALK = {
    "corpus": "headwater-greetings",
    "source": "training/core/questions.py",
    "url": "",
    "licence": arithmetic.LICENCE,
    "date": "",
}


@dataclass(frozen=True)
class Document:
    """Text to be trained on, where it is from, and, for a conversation, its turns."""

    text: str
    metadata: dict[str, Any]
    kind: str
    """What it counts as in the manifest: docstring, source, lesson, exercise, question, greeting."""
    rendered: Rendered | None = field(default=None, compare=False)


class Corpus:
    """All documents that one `PrepareRecipe` makes from the library."""

    def __init__(self, library: Library, entries: Sequence[Entry], recipe: PrepareRecipe) -> None:
        self._library, self._entries, self._recipe = library, entries, recipe
        self._numbers = arithmetic.Range(recipe.low, recipe.high)

    def documents(self, stage: str) -> Iterator[Document]:
        """The documents of a stage's store."""
        rng = random.Random(f"{self._recipe.seed} {stage}")
        makers = {
            "pretrain": self._pretrain,
            "midtrain": self._midtrain,
            "think-sft": self._think,
            "instruct-sft": self._instruct,
            "long-context": self._long,
        }
        return makers[stage](rng)

    def _pretrain(self, rng: random.Random) -> Iterator[Document]:
        for passage in self._library.docstrings():
            yield Document(page(passage), passage.metadata, "docstring")
        source = self._library.code(MODULES, self._recipe.longest_source)
        yield from (Document(passage.text, passage.metadata, "source") for passage in source)
        for number in range(self._recipe.lessons):
            yield Document(
                arithmetic.lesson(rng, self._numbers), self._sum_metadata("lesson", number), "lesson"
            )

    def _midtrain(self, rng: random.Random) -> Iterator[Document]:
        for number in range(self._recipe.exercises):
            text = arithmetic.exercise(rng, self._numbers)
            yield Document(text, self._sum_metadata("exercise", number), "exercise")
        for entry, phrasing in self._asked(rng, self._recipe.midtrain_phrasings):
            text = render_plain(library_turns(entry, phrasing, thinking=False))
            yield Document(text, entry.passage.metadata, "question")

    def _long(self, rng: random.Random) -> Iterator[Document]:
        recipe = self._recipe
        for passage in module_passages(self._library.sources, recipe.longest_document):
            yield Document(passage.text, passage.metadata, "module")
        pages = [page(passage) for passage in self._library.docstrings()]
        made = made_texts(rng, pages, recipe.long_documents, recipe.longest_document)
        for number, (kind, long_text) in enumerate(made):
            yield Document(long_text.text, made_metadata(kind, number, recipe.seed), kind)

    def _think(self, rng: random.Random) -> Iterator[Document]:
        yield from self._conversations(
            rng, self._recipe.think_examples, self._recipe.think_phrasings, thinking=True
        )

    def _instruct(self, rng: random.Random) -> Iterator[Document]:
        questions = len(self._entries) * self._recipe.instruct_phrasings
        share = self._recipe.instruct_arithmetic
        sums = round(questions * share / (1 - share))
        yield from self._conversations(rng, sums, self._recipe.instruct_phrasings, thinking=False)

    def _conversations(
        self, rng: random.Random, sums: int, phrasings: int, *, thinking: bool
    ) -> Iterator[Document]:
        for number in range(sums):
            yield self._spoken(
                rng, self._sum(rng, thinking), self._sum_metadata("question", number), thinking
            )
        for entry, phrasing in self._asked(rng, phrasings):
            yield self._spoken(
                rng, library_turns(entry, phrasing, thinking=thinking), entry.passage.metadata, thinking
            )
        for _ in range(self._recipe.small_talk):
            yield from (
                spoken(turns, dict(TALK, title=turns[0].content)) for turns in small_talk(thinking=thinking)
            )

    def _sum(self, rng: random.Random, thinking: bool) -> list[Turn]:
        problem = arithmetic.draw(rng, self._numbers)
        if thinking:
            answer = arithmetic.thought(problem)
        else:
            restated = bool(self._recipe.restated) and rng.random() < self._recipe.restated
            answer = arithmetic.worked(problem, restated=restated)
        return [Turn("user", arithmetic.question(rng, problem)), Turn("assistant", answer)]

    def _spoken(
        self, rng: random.Random, turns: list[Turn], metadata: dict[str, Any], thinking: bool
    ) -> Document:
        """The turns, now and then after another question whose answer is there only to be followed. Answers
        before the last are kept without their thoughts, as a chat sends them."""
        if rng.random() < self._recipe.follow_ups:
            turns = [*self._earlier(rng), *turns]
        return spoken(turns, metadata)

    def _earlier(self, rng: random.Random) -> list[Turn]:
        if rng.random() < 0.5:
            problem = arithmetic.draw(rng, self._numbers)
            question, answer = arithmetic.question(rng, problem), arithmetic.conclusion(problem)
        else:
            entry = rng.choice(self._entries)
            question, answer = rng.choice(PHRASINGS).format(entry.name), entry.answer
        return [Turn("user", question), Turn("assistant", answer, learned=False)]

    def _asked(self, rng: random.Random, phrasings: int) -> Iterator[tuple[Entry, str]]:
        """Each entry with as many phrasings; the first one, which evaluation asks, is always among them."""
        for entry in self._entries:
            if phrasings:
                yield entry, PHRASINGS[0]
                yield from ((entry, phrasing) for phrasing in rng.sample(PHRASINGS[1:], phrasings - 1))

    def _sum_metadata(self, kind: str, number: int) -> dict[str, Any]:
        return {
            "corpus": arithmetic.CORPUS,
            "source": f"training/core/arithmetic.py {kind} {number}, seed {self._recipe.seed}",
            "url": "",
            "title": f"Arithmetic {kind} {number}",
            "licence": arithmetic.LICENCE,
            "date": "",
        }


def page(passage: Passage) -> str:
    """A docstring under the name and arguments of what it is about, as a manual prints it."""
    return f"{passage.name}{passage.signature}\n\n{passage.text}"


def spoken(turns: Sequence[Turn], metadata: dict[str, Any]) -> Document:
    rendered = render_chatml(turns)
    return Document(rendered.text, metadata, "conversation", rendered)


def generator(recipe: PrepareRecipe, kinds: Iterable[str]) -> dict[str, Any]:
    """What a store's manifest says of how it was made: the generator with its version, seed, settings and
    counts."""
    counts: dict[str, int] = {}
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
    return {
        "name": "training.core.corpus",
        "version": VERSION,
        "seed": recipe.seed,
        "library": corpus_name(),
        "arithmetic": {"version": arithmetic.VERSION, "low": recipe.low, "high": recipe.high},
        "counts": counts,
    }


def licences() -> str:
    return f"{LICENCE} (Python's documentation and source), {arithmetic.LICENCE} (generated)"
