"""Small corpora for the search tests, and the search spelled out over plain lists."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tracing.core.search.index import Load, SearchIndex
from tracing.core.search.parsing import parse_words
from tracing.core.search.passages import Passage
from tracing.core.search.query import Filters, Phrase, Query
from tracing.core.search.words import words_of

STORES = ("sha256:one", "sha256:two", "sha256:three")
WORDS = ["red", "blue", "fish", "Fish", "os.path", "ß", "日本", "é", "e\u0301", "x1", "_", "naïve", "the"]
SOURCES = ["lib/a.py", "lib/b.py", "LIB/a.py", "lib (1)/[x]*.py", "web\\ä.html", ""]
DATES = [0, 20200101, 20240517, 20240518]


@dataclass(frozen=True)
class Text:
    """One passage to be, in words that people write."""

    text: str
    store: str = STORES[0]
    stage: str = "pretrain"
    licence: str = "CC0-1.0"
    source: str = "lib/a.py"
    date: int = 0


def passages(texts: Sequence[Text]) -> list[Passage]:
    """A document of one passage for each text, numbered within its store."""
    made, numbers = [], dict.fromkeys(STORES, 0)
    for text in texts:
        words = " ".join(words_of(text.text))
        fields = {name: getattr(text, name) for name in ("stage", "licence", "source", "date")}
        made.append(Passage(text.store, numbers[text.store], 0, 0, 0, words=words, **fields))
        numbers[text.store] += 1
    return made


def load_passages(index: SearchIndex, made: Sequence[Passage]) -> None:
    """Loads them a store at a time."""
    with index.writer() as writer:
        for store in dict.fromkeys(passage.store for passage in made):
            mine = [passage for passage in made if passage.store == store]
            writer.add(mine)
            writer.commit(Load(store, documents=len(mine), done=len(mine), passages=len(mine)))


def query(text: str = "", **options: object) -> Query:
    """A query over all stores, from what somebody types; `options` are those of Query and Filters."""
    phrases, excluded = parse_words(text)
    filters = Filters(stores=STORES)
    for name in list(options):
        if name in Filters.__dataclass_fields__:
            filters = replace(filters, **{name: options.pop(name)})
    return Query(filters, phrases, excluded, **options)


def slow_search(made: Sequence[Passage], asked: Query) -> set[str]:
    """Keys of the passages that match, by the definition of each part of a query."""
    return {passage.key for passage in made if passes(passage, asked.filters) and says(passage, asked)}


def says(passage: Passage, asked: Query) -> bool:
    words = passage.words.split(" ")
    found = [stands_in(words, phrase) for phrase in asked.phrases]
    enough = (all(found) if asked.match == "all" else any(found)) if found else True
    return enough and not any(stands_in(words, phrase) for phrase in asked.excluded)


def stands_in(words: Sequence[str], phrase: Phrase) -> bool:
    return any(tuple(words[k : k + len(phrase)]) == phrase for k in range(len(words)))


def passes(passage: Passage, filters: Filters) -> bool:
    return (
        passage.store in filters.stores
        and (not filters.stages or passage.stage in filters.stages)
        and (not filters.licences or passage.licence in filters.licences)
        and passage.source.startswith(filters.source)
        and (not filters.since or passage.date >= filters.since)
        and (not filters.until or 0 < passage.date <= filters.until)
    )


def texts() -> st.SearchStrategy[list[Text]]:
    words = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
    text = st.builds(
        Text,
        text=words,
        store=st.sampled_from(STORES),
        stage=st.sampled_from(["pretrain", "midtrain", "instruct sft"]),
        licence=st.sampled_from(["CC0-1.0", "PSF-2.0", "MIT or Apache-2.0"]),
        source=st.sampled_from(SOURCES),
        date=st.sampled_from(DATES),
    )
    return st.lists(text, min_size=1, max_size=12)


def queries() -> st.SearchStrategy[Query]:
    """Queries as people type them, in words that corpora hold and a few that they do not."""
    word = st.sampled_from([*WORDS, "absent", "RED", "path os", '"red fish"', '"fish red blue"', '"os path"'])
    clause = st.builds(lambda minus, text: minus + text, st.sampled_from(["", "", "-"]), word)
    filters = {
        "stores": st.lists(st.sampled_from(STORES), max_size=3, unique=True).map(tuple),
        "stages": st.sampled_from([(), ("pretrain",), ("instruct sft", "midtrain"), ("none",)]),
        "licences": st.sampled_from([(), ("CC0-1.0",), ("MIT or Apache-2.0", "PSF-2.0")]),
        "source": st.sampled_from(["", "lib", "lib/a", "LIB", "lib (1)/[x]*", "web\\", "lib.a", "b"]),
        "since": st.sampled_from([0, 0, 20200101, 20240518]),
        "until": st.sampled_from([0, 0, 20240517]),
    }
    typed = st.lists(clause, max_size=4).map(" ".join)
    match, sort = st.sampled_from(["all", "any"]), st.sampled_from(["relevance", "date"])
    return st.builds(query, typed, match=match, sort=sort, **filters)
