"""The fields of a tantivy index, and passages and journal entries as its documents."""

import json
from typing import Any, Final

import tantivy

from tracing.core.search.index import Load
from tracing.core.search.passages import Passage

STORED_NUMBERS: Final = ("document", "passage", "start", "stop")
LABELS: Final = ("stage", "licence")
LOADS_MAX: Final = 100_000


def _build() -> tantivy.Schema:
    """`words` are split at spaces only: words.py has made them. Everything else is matched as it stands."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("words", tokenizer_name="whitespace")
    exact: dict[str, Any] = {"tokenizer_name": "raw", "index_option": "basic"}
    builder.add_text_field("store", stored=True, fast=True, **exact)
    for name in LABELS:
        builder.add_text_field(name, fast=True, **exact)
    builder.add_text_field("source", **exact)
    for name in STORED_NUMBERS:
        builder.add_unsigned_field(name, stored=True)
    builder.add_unsigned_field("date", indexed=True, fast=True)
    builder.add_unsigned_field("rank", fast=True)
    builder.add_unsigned_field("tie", fast=True)
    builder.add_text_field("journal", **exact)
    builder.add_text_field("kind", **exact)
    builder.add_bytes_field("load", stored=True)
    return builder.build()


SCHEMA: Final = _build()


def passage_document(passage: Passage) -> tantivy.Document:
    document = tantivy.Document()
    for name in ("words", "store", "source", *LABELS):
        document.add_text(name, getattr(passage, name))
    for name, value in (
        ("document", passage.document),
        ("passage", passage.number),
        ("start", passage.start),
        ("stop", passage.stop),
        ("date", passage.date),
        ("rank", passage.rank),
        ("tie", passage.tie),
    ):
        document.add_unsigned(name, value)
    return document


def journal_document(load: Load) -> tantivy.Document:
    document = tantivy.Document()
    document.add_text("journal", load.store)
    document.add_text("kind", "journal")
    document.add_bytes("load", json.dumps(load.__dict__).encode())
    return document


def read_journal(searcher: tantivy.Searcher) -> dict[str, Load]:
    entries = searcher.search(tantivy.Query.term_query(SCHEMA, "kind", "journal"), limit=LOADS_MAX)
    documents = [searcher.doc(address) for _, address in entries.hits]
    loads = [Load(**json.loads(bytes(document.get_first("load") or b""))) for document in documents]
    return {load.store: load for load in loads}
