"""A data directory with registered stores, for tests of the search's services, pages and commands."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tracing.support.stores import text_tokenizer, tokenizer_json
from tracing.core.building.writer import StoreWriter
from tracing.models import Store
from tracing.search.loading import load_stores
from tracing.search.request import SearchRequest
from tracing.search.results import SearchResults, search_stores
from tracing.services import register_store

Document = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class SearchHome:
    """`add_store` publishes and registers texts; `load` does what a worker does."""

    path: Path

    def add_store(
        self,
        name: str,
        documents: Sequence[str | Document],
        stage: str = "pretrain",
        licence: str = "CC0-1.0",
    ) -> Store:
        """A store of texts, each with metadata of its own if it likes. One of the same name is replaced."""
        tokenizers = self.path / "tokenizers" / "test"
        tokenizers.mkdir(parents=True, exist_ok=True)
        (tokenizers / "tokenizer.json").write_text(tokenizer_json())
        path, tokenizer = self.path / "stores" / name, text_tokenizer()
        shutil.rmtree(path, ignore_errors=True)
        described = {"tokenizer": tokenizer.digest, "stage": stage, "source": name, "licence": licence}
        with StoreWriter(path, name=name, dtype="u16", **described) as writer:
            for number, document in enumerate(documents):
                text, metadata = (document, {}) if isinstance(document, str) else document
                writer.add(tokenizer.encode(text)[0], {"id": f"{name}-{number}", **metadata})
            writer.publish()
        return register_store(path)

    def load(self, **options: Any) -> int:
        return load_stores(**options)

    def search(self, q: str = "", **options: Any) -> SearchResults:
        return search_stores(SearchRequest(q=q, **options), list(Store.objects.all()))

    def found(self, q: str = "", **options: Any) -> list[tuple[str, int]]:
        """Store and number of each result."""
        return [(result.store, result.document) for result in self.search(q, **options).results]
