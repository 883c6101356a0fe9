"""The files of a shard beside its tokens: what is missing of them, and their checksums."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tracing.core.building.partial import write_whole
from tracing.core.building.suffix_array import write_table
from tracing.core.building.token_counts import write_unigram
from tracing.core.errors import InputError, StoreDamaged
from tracing.core.stores.blocks import digest_file, encode_checksums
from tracing.core.stores.layout import BLOCKS, DATA_FILES, OFFSET_BYTES, TokenType
from tracing.core.stores.manifest import FileEntry, sha256


def shards_in(directory: Path) -> int:
    """Number of shards, by the tokenized.N in `directory`; InputError where there are none, or gaps."""
    numbers = {path.name.removeprefix("tokenized.") for path in directory.glob("tokenized.*")}
    if not numbers or numbers != {str(n) for n in range(len(numbers))}:
        raise InputError(
            f"{directory} has {', '.join(sorted(numbers)) or 'no'} tokenized.N: name a directory with "
            "tokenized.0, tokenized.1 and so on."
        )
    return len(numbers)


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
