"""A data set's token store in one checkpoint's tokenizer."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from tracing.core.building.import_job import token_type_for
from tracing.core.building.writer import StoreWriter
from tracing.core.stores.manifest import Manifest
from tracing.core.text.tokenizer import TextTokenizer
from training.core.chat import SPECIAL_TOKENS
from training.core.datasets.documents import RowDocument, Upload, documents_of
from training.core.datasets.rows import Row, texts_of
from training.core.errors import DatasetError
from training.core.functions import FUNCTIONS
from training.core.tokenizer import open_tokenizer_file
from training.core.writing import whose_tokens

BATCH_CHARACTERS = 1 << 20
"""Texts that are tokenised at a time."""
SHARD_BYTES = 256 * 2**20
"""Sorting takes six times as much memory."""


@dataclass(frozen=True)
class StorePlan:
    """The store to be made."""

    folder: Path
    stage: str
    upload: Upload
    tokenizer: Path
    """Directory of the tokenizer, or of the checkpoint that has it."""


def build_store(
    plan: StorePlan, rows: Iterable[tuple[int, Row]], progress: Callable[[int], None] | None = None
) -> Manifest:
    """Publish the store at `plan.folder`. `progress` is told the line that is reached.

    Raises DatasetError where a row cannot be written in this tokenizer, StoreExists where the folder is
    taken, StoreError when the disk refuses.
    """
    tokenizer, opened = open_tokenizer_file(plan.tokenizer), TextTokenizer.open(plan.tokenizer)
    check_tokens(tokenizer, opened)
    checked = without_tokens(rows, foreign_tokens(opened))
    functions = {FUNCTIONS: True} if plan.upload.functions else {}
    with StoreWriter(
        plan.folder,
        name=plan.folder.name,
        tokenizer=opened.digest,
        dtype=token_type_for(opened),
        stage=plan.stage,
        source=plan.upload.name,
        licence=plan.upload.licence,
        generator={"name": "training.core.datasets", "dataset": plan.upload.id} | functions,
        shard_bytes=SHARD_BYTES,
    ) as writer:
        documents = (made for line, row in checked for made in documents_of(line, row, plan.upload))
        for number, (document, encoding) in enumerate(encoded(documents, tokenizer)):
            metadata = {"id": f"{plan.folder.name}/{number}", "stage": plan.stage, **document.metadata}
            writer.add(encoding.ids, metadata | spoken(document, encoding))
            if progress is not None:
                progress(document.metadata["row"])
        return writer.publish()


def check_tokens(tokenizer: Tokenizer, opened: TextTokenizer) -> None:
    """Raises DatasetError unless the tokenizer knows the tokens of the chat format."""
    for token in SPECIAL_TOKENS:
        if tokenizer.token_to_id(token) not in opened.special_ids:
            raise DatasetError(
                f"the checkpoint's tokenizer has no special token {token}, which conversations are written "
                "with: choose a checkpoint that has it"
            )


def foreign_tokens(opened: TextTokenizer) -> list[str]:
    """Special tokens of the tokenizer's own, which a text must not spell out either."""
    return [text for i in sorted(opened.special_ids) if (text := opened.decode([i])[0]) not in SPECIAL_TOKENS]


def without_tokens(rows: Iterable[tuple[int, Row]], tokens: list[str]) -> Iterator[tuple[int, Row]]:
    """The rows; DatasetError at one that spells out one of the tokens."""
    for line, row in rows:
        for token in tokens:
            if any(token in text for text in texts_of(row)):
                raise DatasetError(
                    f"line {line:,} spells out {token}, a special token of the checkpoint's tokenizer: "
                    "change it there, or leave the row out"
                )
        yield line, row


def encoded(documents: Iterable[RowDocument], tokenizer: Tokenizer) -> Iterator[tuple[RowDocument, Encoding]]:
    """Each document with its tokens, some at a time."""
    batch, characters = list[RowDocument](), 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if characters >= BATCH_CHARACTERS:
            yield from encoded_batch(batch, tokenizer)
            batch, characters = [], 0
    yield from encoded_batch(batch, tokenizer)


def encoded_batch(batch: list[RowDocument], tokenizer: Tokenizer) -> Iterator[tuple[RowDocument, Encoding]]:
    encodings = tokenizer.encode_batch([document.text for document in batch], add_special_tokens=False)
    yield from zip(batch, encodings, strict=True)


def spoken(document: RowDocument, encoding: Encoding) -> dict[str, Any]:
    """Of a conversation: whose tokens are whose, and which the loss is taken on."""
    return whose_tokens(document.rendered, encoding.offsets) if document.rendered else {}
