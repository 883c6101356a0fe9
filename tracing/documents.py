"""Documents of the stores, as pages show them."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from tracing.core.documents.view import DocumentView, read_document
from tracing.core.errors import StoreMissing, TracingError
from tracing.core.nodes.node_store import NodeStore
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from tracing.models import Store
from tracing.nodes.elsewhere import open_reader
from tracing.opening import open_tokenizer
from tracing.withholding.lookup import DocumentWithheld, reasons_for

ROWS = 50


@dataclass(frozen=True)
class DocumentRow:
    """A document's number and metadata; or, where it is withheld, why, and no metadata."""

    number: int
    metadata: dict[str, Any]
    withheld: str = ""


@dataclass(frozen=True)
class DocumentRows:
    """A page of a store's documents."""

    rows: list[DocumentRow]
    previous: int | None
    next: int | None


def documents_of(store: Store, first: int = 0) -> DocumentRows:
    """Up to fifty documents from number `first` on. Raises StoreError."""
    reader = open_reader(store)
    last = min(first + ROWS, reader.documents)
    numbers = range(min(first, last), last)
    reasons = reasons_for(store.name, numbers)
    metadata = metadata_of(reader, [number for number in numbers if number not in reasons])
    rows = [DocumentRow(number, metadata.get(number, {}), reasons.get(number, "")) for number in numbers]
    previous = max(0, first - ROWS) if first else None
    return DocumentRows(rows, previous, last if last < reader.documents else None)


def metadata_of(reader: TokenStore | NodeStore, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The metadata of these documents, by number; of a store on a node asked for at once."""
    if isinstance(reader, NodeStore):
        return dict(zip(numbers, reader.metadata_of(numbers), strict=True))
    return {number: reader.metadata(number) for number in numbers}


def document_page(
    store: Store, number: int, highlight: Sequence[int], page: int | None = None
) -> DocumentView:
    """A page of a whole document, the places where the tokens of `highlight` stand in it marked.

    Raises DocumentWithheld where it must not be shown, InputError for a page that is not there, StoreError.
    """
    if reasons := reasons_for(store.name, [number]):
        raise DocumentWithheld(store.name, number, reasons[number])
    return read_document(open_reader(store), number, tokenizer_of(store), highlight, page=page)


def tokenizer_of(store: Store) -> TextTokenizer:
    """The tokenizer that made a store's ids, found by its digest among those kept in HEADWATER_HOME."""
    return open_tokenizer(tokenizer_directory(store))


def tokenizer_directory(store: Store) -> Path:
    """Where the tokenizer that made a store's ids is kept. Raises StoreMissing."""
    for directory in tokenizer_directories():
        try:
            tokenizer = open_tokenizer(directory)
        except (TracingError, OSError):
            continue
        if tokenizer.digest == store.tokenizer:
            return directory
    raise StoreMissing(
        f"No tokenizer in {settings.HOME / 'tokenizers'} has the digest {store.tokenizer} that {store.name} "
        "was written with: put its directory back."
    )


def tokenizer_directories() -> list[Path]:
    """Those kept for stores, then those of checkpoints."""
    kept = sorted(path.parent for path in (settings.HOME / "tokenizers").glob("*/tokenizer.json"))
    return kept + sorted(path.parent for path in (settings.HOME / "checkpoints").glob("*/tokenizer.json"))


def keep_tokenizer(store: Store, directory: Path) -> None:
    """Keep a copy of the tokenizer that a store was written with, unless one like it is there already."""
    try:
        tokenizer_directory(store)
    except StoreMissing:
        target = settings.HOME / "tokenizers" / store.name
        target.mkdir(parents=True, exist_ok=True)
        partial = target / ".tokenizer.json.partial"
        shutil.copyfile(directory / "tokenizer.json", partial)
        partial.replace(target / "tokenizer.json")
