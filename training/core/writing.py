"""Documents and conversations become token ids with metadata in a store."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from tracing.core.building.writer import StoreWriter
from training.core.chat import END_OF_TEXT, Rendered, token_range
from training.core.corpus import Document

BATCH = 1000  # documents tokenised at a time


def write_documents(
    writer: StoreWriter, documents: Sequence[Document], stage: str, tokenizer: Tokenizer
) -> None:
    """Tokenise the documents and add them, numbered from 0."""
    for ids, metadata in encode_documents(documents, stage, tokenizer):
        writer.add(ids, metadata)


def encode_documents(
    documents: Iterable[Document], stage: str, tokenizer: Tokenizer
) -> Iterator[tuple[NDArray[np.int64], dict[str, Any]]]:
    """Token ids and metadata of each document, numbered from 0."""
    numbered = iter(enumerate(documents))
    while batch := list(islice(numbered, BATCH)):
        encodings = tokenizer.encode_batch(
            [text_of(document) for _, document in batch], add_special_tokens=False
        )
        for (number, document), encoding in zip(batch, encodings, strict=True):
            shared = {"id": f"{stage}/{number}", "stage": stage, **document.metadata}
            conversation = spoken_metadata(document, encoding, number) if document.rendered else {}
            yield np.array(encoding.ids, dtype=np.int64), shared | conversation


class Encoded:
    """Documents in memory, as a batch reads them."""

    def __init__(self, documents: Iterable[Document], stage: str, tokenizer: Tokenizer) -> None:
        self._documents = list(encode_documents(documents, stage, tokenizer))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each document, shape [documents]."""
        return np.array([len(ids) for ids, _ in self._documents], dtype=np.int64)

    def token_ids(self, document: int) -> NDArray[np.int64]:
        return self._documents[document][0]

    def metadata(self, document: int) -> dict[str, Any]:
        return self._documents[document][1]


def text_of(document: Document) -> str:
    """What is tokenised: plain text ends with the end-of-text token, as the model is to learn; a conversation
    already ends its turns."""
    return document.text if document.rendered else document.text + END_OF_TEXT


def spoken_metadata(document: Document, encoding: Encoding, row: int) -> dict[str, Any]:
    """Of a conversation: its row, whose tokens are whose, and which of them the loss is taken on."""
    assert document.rendered is not None
    return {"row": row, **whose_tokens(document.rendered, encoding.offsets)}


def whose_tokens(rendered: Rendered, offsets: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """The `[role, start, end)` of each turn in tokens, and the `[start, end)` that the loss is taken on."""
    turns = [(turn, *token_range(offsets, start, end)) for turn, start, end in rendered.parts]
    return {
        "roles": [[turn.role, start, end] for turn, start, end in turns],
        "loss": [[start, end] for turn, start, end in turns if turn.role == "assistant" and turn.learned],
    }
