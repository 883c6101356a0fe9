"""Token files become a store: suffix array, counts, checksums and manifest, file by file, resumable."""

import datetime
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from tracing.core.building.partial import sync_directory
from tracing.core.building.suffix_array import write_table
from tracing.core.building.token_counts import write_unigram
from tracing.core.errors import InputError, StoreDamaged, StoreError, StoreExists
from tracing.core.stores.blocks import digest_file, encode_checksums
from tracing.core.stores.layout import (
    BLOCKS,
    DATA_FILES,
    FORMAT,
    MANIFEST,
    OFFSET_BYTES,
    TokenType,
    token_type,
)
from tracing.core.stores.manifest import FileEntry, Manifest, manifest_text, sha256

DESCRIPTION: Final = "tokens.json"

Progress = Callable[[str, float], None]
"""Told a phase, and the share of all the work that is done."""

SORTED: Final = 0.8
"""The share of a shard's work that is sorting; checksums are the rest."""


@dataclass(frozen=True)
class Description:
    """What a store says of itself that its files do not: see Manifest."""

    name: str
    dtype: str
    tokenizer: str
    stage: str
    source: str
    licence: str
    generator: Mapping[str, Any] = field(default_factory=dict)


def build_index(
    directory: Path, described: Description, progress: Progress = lambda phase, share: None
) -> Manifest:
    """`index_directory` of token files that lie where the store shall be.

    Raises StoreExists where it is one already, StoreError where the disk refuses; run again, it goes on.
    """
    if (directory / MANIFEST).exists():
        raise StoreExists(f"{directory} has a manifest: it is a store already.")
    try:
        manifest = index_directory(directory, described, progress)
        (directory / DESCRIPTION).unlink(missing_ok=True)
        sync_directory(directory)
    except OSError as error:
        raise StoreError(
            f"Indexing {directory} failed ({error}). What was done is kept: make room or correct the "
            "permissions, then run the same again."
        ) from error
    return manifest


def index_directory(
    directory: Path, described: Description, progress: Progress = lambda phase, share: None
) -> Manifest:
    """Make whatever the token files in `directory` lack to be a store, manifest.json last.

    Files that are there stay as they are; each new one appears whole or not at all, so a run that was
    killed goes on where it was. Sorting takes some 6 bytes of memory for each byte of the largest
    tokenized.N. Raises StoreDamaged for token files that contradict each other, OSError from the disk.
    """
    shards = shards_in(directory)
    kind, files = token_type(described.dtype), dict[str, FileEntry]()
    for number in range(shards):
        check_token_files(directory, number, kind)
    for number in range(shards):
        progress("suffix array", number / shards)
        complete_shard(directory, number, kind)
        progress("checksums", (number + SORTED) / shards)
        files |= checksum_shard(directory, number)
    progress("publish", 1.0)
    manifest = make_manifest(described, files)
    write_whole(directory / MANIFEST, lambda path: path.write_text(manifest_text(manifest)))
    return manifest


def shards_in(directory: Path) -> int:
    """Number of shards, by the tokenized.N in `directory`; InputError where there are none, or gaps."""
    numbers = {path.name.removeprefix("tokenized.") for path in directory.glob("tokenized.*")}
    if not numbers or numbers != {str(n) for n in range(len(numbers))}:
        raise InputError(
            f"{directory} has {', '.join(sorted(numbers)) or 'no'} tokenized.N: name a directory with "
            "tokenized.0, tokenized.1 and so on."
        )
    return len(numbers)


def complete_shard(directory: Path, number: int, kind: TokenType) -> list[str]:
    """Write the files that the shard lacks, each under its name only when whole; their names."""
    tokenized = directory / f"tokenized.{number}"
    writers: dict[str, Callable[[Path], None]] = {
        "metadata": lambda path: write_no_metadata(directory / f"offset.{number}", path),
        "table": lambda path: write_table(tokenized, path, kind),
        "unigram": lambda path: write_unigram(tokenized, path, kind),
    }
    lacking = [stem for stem in writers if not (directory / f"{stem}.{number}").exists()]
    for stem in lacking:
        write_whole(directory / f"{stem}.{number}", writers[stem])
    if not (directory / f"metaoff.{number}").exists():
        write_whole(
            directory / f"metaoff.{number}",
            lambda path: write_line_offsets(directory / f"metadata.{number}", path),
        )
        lacking.append("metaoff")
    if (directory / f"metaoff.{number}").stat().st_size != (directory / f"offset.{number}").stat().st_size:
        raise StoreDamaged(
            f"{directory / f'metadata.{number}'} has not one line for each document of offset.{number}: "
            "write both again, or move the metadata away to go without."
        )
    return [f"{stem}.{number}" for stem in lacking]


def checksum_shard(directory: Path, number: int) -> dict[str, FileEntry]:
    """Entries of a shard's files, its blocks.N written on the way."""
    entries, checksums = {}, {}
    for stem in DATA_FILES:
        path = directory / f"{stem}.{number}"
        digest, checksums[stem] = digest_file(path)
        entries[path.name] = FileEntry(path.stat().st_size, digest)
    content = encode_checksums(checksums)
    blocks = directory / f"{BLOCKS}.{number}"
    write_whole(blocks, lambda path: path.write_bytes(content))
    return {**entries, blocks.name: FileEntry(len(content), sha256(content))}


def make_manifest(described: Description, files: Mapping[str, FileEntry]) -> Manifest:
    """The manifest of a store of these files, made now."""
    width = token_type(described.dtype).width_bytes
    total = {
        stem: sum(f.size_bytes for name, f in files.items() if name.split(".")[0] == stem)
        for stem in DATA_FILES
    }
    documents = total["offset"] // OFFSET_BYTES
    return Manifest(
        format=FORMAT,
        documents=documents,
        tokens=total["tokenized"] // width - documents,
        files=files,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **asdict(described),
    )


def check_token_files(directory: Path, number: int, kind: TokenType) -> None:
    """StoreDamaged unless offset.N says where the separators stand in tokenized.N, the first at 0."""
    tokenized, offset = (directory / f"{stem}.{number}" for stem in ("tokenized", "offset"))
    size_bytes, offset_bytes = (path.stat().st_size if path.is_file() else 0 for path in (tokenized, offset))
    if not size_bytes or size_bytes % kind.width_bytes or not offset_bytes or offset_bytes % OFFSET_BYTES:
        raise StoreDamaged(
            f"{tokenized} ({size_bytes} bytes) and {offset} ({offset_bytes} bytes) are no {kind.name} token "
            "files: give the type they were written with, or write them again."
        )
    tokens = np.memmap(tokenized, dtype=kind.numpy, mode="r")
    step = 1 << 22
    places = [
        start + np.flatnonzero(tokens[start : start + step] == kind.separator)
        for start in range(0, tokens.size, step)
    ]
    found = np.concatenate(places).astype("<u8") * kind.width_bytes
    offsets = np.fromfile(offset, dtype="<u8")
    if not np.array_equal(found, offsets) or offsets[0]:
        raise StoreDamaged(
            f"{offset} does not say where the documents of {tokenized} start, as {kind.name}: give the type "
            "that the tokens were written with, or write them again."
        )


def write_no_metadata(offset: Path, metadata: Path) -> None:
    """An empty object for each document."""
    metadata.write_bytes(b"{}\n" * (offset.stat().st_size // OFFSET_BYTES))


def write_line_offsets(metadata: Path, metaoff: Path) -> None:
    """Where each line of `metadata` starts."""
    starts, position = [], 0
    with metadata.open("rb") as lines:
        for line in lines:
            starts.append(position)
            position += len(line)
    metaoff.write_bytes(np.array(starts, dtype="<u8").tobytes())


def write_description(described: Description, directory: Path) -> None:
    """Write beside token files what the store made of them will be."""
    content = json.dumps(asdict(described), indent=1) + "\n"
    write_whole(directory / DESCRIPTION, lambda path: path.write_text(content))


def read_description(directory: Path) -> Description | None:
    """What `write_description` wrote, if it did; StoreDamaged where it cannot be read."""
    path = directory / DESCRIPTION
    if not path.exists():
        return None
    try:
        return Description(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise StoreDamaged(f"{path} cannot be read ({error}): import the corpus again.") from error


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a temporary file, and give it its name when it is on the disk."""
    partial = path.with_name(f".{path.name}.partial")
    write(partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(path)
