"""A process that loads a store and is made to be killed: `load_slowly.py KIND WHERE STORE TOKENIZER`.

KIND and WHERE name the index: "tantivy" and a directory, or an alias's prefix and a server's address. It
commits every document, and prints the number of each.
"""

import sys
import time
from pathlib import Path

from tracing.core.search.elastic.connection import Connection
from tracing.core.search.elastic.elasticsearch_index import ElasticsearchIndex
from tracing.core.search.embedded.tantivy_index import TantivyIndex
from tracing.core.search.index import SearchIndex
from tracing.core.search.loading import Progress, load_store
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer


def open_named(kind: str, where: str) -> SearchIndex:
    if kind == "tantivy":
        return TantivyIndex(Path(where))
    return ElasticsearchIndex(Connection(where, index=kind))


def report(progress: Progress) -> None:
    print(progress.done, flush=True)
    time.sleep(0.02)


def main(kind: str, where: str, store: str, tokenizer: str) -> None:
    with open_named(kind, where).writer() as writer, TokenStore.open(Path(store)) as opened:
        load_store(writer, opened, TextTokenizer.open(Path(tokenizer)), report, commit_tokens=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
