"""Corpora in files, and the small import that the tests make of them."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.tracing.support.stores import text_tokenizer
from tracing.core.building.import_job import Import
from tracing.core.stores.store import TokenStore

Rows = Sequence[dict[str, Any]]


def some_rows(count: int) -> list[dict[str, Any]]:
    return [
        {"text": f"row {n}: 7 + {n} = é 日本.\n" * (n % 5), "id": n, "length": n * 2} for n in range(count)
    ]


def json_lines(rows: Rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def write_rows(path: Path, rows: Rows) -> Path:
    """The rows in a file of the kind that its name says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=7)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(json_lines(rows)))
    elif path.suffix == ".zst":
        half = len(rows) // 2
        pack = zstandard.ZstdCompressor().compress
        path.write_bytes(pack(json_lines(rows[:half])) + pack(json_lines(rows[half:])))
    else:
        path.write_bytes(json_lines(rows))
    return path


def import_of(*paths: Path, output: Path, **options: Any) -> Import:
    described = {"name": "notes", "stage": "pretrain", "licence": "MIT", "tokenizer": text_tokenizer()}
    return Import(paths=paths, output=output, **{**described, **options})


def texts_in(path: Path) -> list[str]:
    with TokenStore.open(path) as store:
        return [text_tokenizer().decode(store.token_ids(number))[0] for number in range(store.documents)]


def files_in(path: Path) -> dict[str, bytes]:
    """The files of a store but its manifest, which has the date in it."""
    return {file.name: file.read_bytes() for file in path.iterdir() if file.name != "manifest.json"}
