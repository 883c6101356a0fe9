"""A batch of rows becomes the bytes of its documents, in this process or in one of a pool."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.building.rows import Row
from tracing.core.building.shard_writer import metadata_line
from tracing.core.building.sources import Batch
from tracing.core.errors import InputError
from tracing.core.stores.layout import token_type
from tracing.core.text.bulk import BulkEncoder


@dataclass(frozen=True)
class Encoding:
    """How rows become documents: all that a process needs to know. `described` goes into every document."""

    tokenizer_json: bytes
    dtype: str
    text_field: str
    described: dict[str, Any]
    document_bytes_max: int


@dataclass(frozen=True)
class Encoded:
    """Documents ready to be written, and what was wrong with the others.

    `data` holds separator and ids of each document, `sizes` their bytes; `lines` and `line_sizes` the
    same of their metadata.
    """

    data: bytes
    sizes: NDArray[np.int64]
    lines: bytes
    line_sizes: NDArray[np.int64]
    wrong: tuple[str, ...]


class BatchEncoder:
    """Encodes batches, one after the other."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding, kind = encoding, token_type(encoding.dtype)
        self._bulk = BulkEncoder(encoding.tokenizer_json, kind)
        self._separator = b"\xff" * kind.width_bytes

    def encode(self, batch: Batch) -> Encoded:
        """The documents of a batch."""
        wrong: list[str] = []
        documents, lines = [], []
        for row, data in self._encoded(list(batch.rows(self._encoding.text_field))):
            if isinstance(data, str):
                wrong.append(data)
                continue
            documents.append(self._separator + data)
            lines.append(metadata_line({**self._encoding.described, **row.metadata}))
        sizes, line_sizes = (np.array(list(map(len, parts)), dtype=np.int64) for parts in (documents, lines))
        return Encoded(b"".join(documents), sizes, b"".join(lines), line_sizes, tuple(wrong))

    def _encoded(self, rows: list[Row | InputError]) -> Iterator[tuple[Any, bytes | str]]:
        """Each row with the bytes of its ids, or with what is wrong with it."""
        found = iter(self._bulk.encode([row.text for row in rows if isinstance(row, Row)]))
        for row in rows:
            data = next(found) if isinstance(row, Row) else row
            if isinstance(data, bytes) and len(data) + 4 > self._encoding.document_bytes_max:
                limit = self._encoding.document_bytes_max
                data = InputError(f"its {len(data):,} bytes do not fit a shard of {limit:,} (--memory)")
            if isinstance(data, bytes):
                yield row, data
            else:
                yield row, f"{row.where}: {data}." if isinstance(row, Row) else str(data)
