"""Corpus search: how fast documents are loaded, and how long a page of results takes, over both backends.

`python -m benchmarks.search [--tokens N] [--directory DIR]` builds a store of the standard library and
seeded synthetic text, loads it into each index, and asks for the first ten hits of queries made of words
that stand in its documents, with the counts by stage, store and licence, and their excerpts. Elasticsearch
is measured where HEADWATER_TEST_ELASTICSEARCH names a start script (the tests' server, heap 1 GiB).
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil

from benchmarks import corpora, machine
from tests.tracing.support.elasticsearch import ElasticsearchServer, start_script
from tracing.core.search.elastic.connection import Connection
from tracing.core.search.elastic.elasticsearch_index import ElasticsearchIndex
from tracing.core.search.embedded.tantivy_index import TantivyIndex
from tracing.core.search.excerpts import cut_excerpt
from tracing.core.search.index import SearchIndex
from tracing.core.search.loading import load_store
from tracing.core.search.passages import passages_of
from tracing.core.search.query import Filters, Phrase, Query
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer

QUERIES = 60
SHOWN = 10
READ = 160
"""Hits that a page reads, to fill the places of withheld documents."""

Kinds = dict[str, Callable[[list[str]], tuple[tuple[Phrase, ...], str]]]
KINDS: Kinds = {
    "one word": lambda words: (((words[0],),), "all"),
    "three words, all": lambda words: (tuple((word,) for word in words[:3]), "all"),
    "three words, any": lambda words: (tuple((word,) for word in words[:3]), "any"),
    "a phrase of four": lambda words: ((tuple(words[:4]),), "all"),
}


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as temporary, backends(Path(temporary)) as indexes:
        directory = options.directory or Path(temporary) / "stores"
        tokenizer = corpora.open_or_train(directory)
        store = corpora.open_or_build(directory, options.tokens)
        asked = make_queries(store, tokenizer)
        lines = [line for index in indexes for line in measure(index, store, tokenizer, asked)]
        size_mb = sum(path.stat().st_size for path in Path(temporary, "search").rglob("*")) / 1e6
    text = report(store, lines, size_mb)
    print(text)
    print(f"Kept in {machine.keep('search', text)}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=5_000_000)
    parser.add_argument("--directory", type=Path, help="where stores are kept from one run to the next")
    return parser.parse_args()


@contextlib.contextmanager
def backends(directory: Path) -> Iterator[list[SearchIndex]]:
    """tantivy, and Elasticsearch where it can be started."""
    script = start_script()
    server = ElasticsearchServer(script) if script else None
    try:
        others = [ElasticsearchIndex(Connection(server.url))] if server else []
        yield [TantivyIndex(directory / "search"), *others]
    finally:
        if server:
            server.remove()


def make_queries(store: TokenStore, tokenizer: TextTokenizer) -> dict[str, list[Query]]:
    """Queries of each kind, their words taken from one place of one document."""
    rng, filters = np.random.default_rng(0), Filters(stores=(store.manifest.digest,))
    texts: list[list[str]] = []
    while len(texts) < QUERIES:
        passage = next(passages_of(store, int(rng.integers(store.documents)), tokenizer)).words.split()
        if len(passage) > 8:
            start = int(rng.integers(len(passage) - 4))
            texts.append(passage[start : start + 4])
    made: dict[str, list[Query]] = {}
    for kind, of_words in KINDS.items():
        parts = [of_words(words) for words in texts]
        made[kind] = [Query(filters, phrases, match=match) for phrases, match in parts]  # type: ignore[arg-type]
    return made


def measure(
    index: SearchIndex, store: TokenStore, tokenizer: TextTokenizer, asked: dict[str, list[Query]]
) -> Iterator[str]:
    """Lines of the table."""
    before, peaks, began = memory_mb(), [0.0], time.perf_counter()
    with index.writer() as writer:
        load = load_store(writer, store, tokenizer, lambda progress: peaks.append(memory_mb()))
    seconds = time.perf_counter() - began
    speed = f"{load.documents / seconds:,.0f} documents/s, {store.tokens / seconds:,.0f} tokens/s"
    memory = f"+{max(peaks) - before:,.0f} MB in the loader"
    yield f"| {index.name} | load | {speed}, {load.passages:,} passages, {memory} |"
    for kind, queries in asked.items():
        found = [elapsed_ms(lambda query=query: index.search(query, limit=READ)) for query in queries]
        pages = [elapsed_ms(lambda query=query: page(index, store, tokenizer, query)) for query in queries]
        yield f"| {index.name} | {kind} | {told(found)}; whole page {told(pages)} |"


def page(index: SearchIndex, store: TokenStore, tokenizer: TextTokenizer, query: Query) -> None:
    """What the page does, without the database and the template."""
    hits = index.search(query, limit=READ).hits[:SHOWN]
    for field in ("stage", "store", "licence"):
        index.count_by(field, query)  # type: ignore[arg-type]
    index.loads()
    for hit in hits:
        cut_excerpt(store, hit, tokenizer, query)


def elapsed_ms(function: Callable[[], object]) -> float:
    function()  # warm
    began = time.perf_counter()
    function()
    return (time.perf_counter() - began) * 1e3


def told(times_ms: list[float]) -> str:
    p95 = float(np.percentile(times_ms, 95))
    return f"{statistics.median(times_ms):.1f} ms median, {p95:.1f} p95"


def memory_mb() -> float:
    """Memory of this process, pages of files that it maps included."""
    return float(psutil.Process().memory_info().rss) / 1e6


def report(store: TokenStore, lines: list[str], size_mb: float) -> str:
    words = f"{store.documents:,} documents, {store.tokens:,} tokens"
    head = f"# Corpus search\n{machine.describe()}; load average {os.getloadavg()[0]:.1f}. {words}; "
    head += f"tantivy's index {size_mb:.0f} MB. First {READ} hits, warm, one query after the other.\n"
    return "\n".join([head, "| backend | what | measured |", "|---|---|---|", *lines, ""])


if __name__ == "__main__":
    main()
