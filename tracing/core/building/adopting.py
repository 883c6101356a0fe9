"""An index that infini-gram built becomes a store: checked from end to end, then described, never changed."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracing.core.building.description import Description, make_manifest
from tracing.core.building.heads_file import write_heads
from tracing.core.building.partial import sync_directory
from tracing.core.building.shard_files import check_token_files, checksum_shard, complete_shard, shards_in
from tracing.core.errors import StoreDamaged, StoreError, StoreExists, StoreMismatch, StoreMissing
from tracing.core.stores.layout import DATA_FILES, MANIFEST, TOKEN_TYPES, pointer_bytes, token_type
from tracing.core.stores.manifest import FileEntry, write_manifest
from tracing.core.stores.store import TokenStore
from tracing.core.stores.verify import Progress, Verification, verify_store

PREFIX = ".adopting-"


@dataclass(frozen=True)
class Adoption:
    """What was found sound, and the files that it lacks, or lacked, to be a store."""

    found: Verification
    made: tuple[str, ...]


def is_foreign_index(directory: Path) -> bool:
    """Whether it holds an index without a manifest: tokens and a table."""
    return not (directory / MANIFEST).exists() and all(
        (directory / f"{stem}.0").is_file() for stem in ("tokenized", "table")
    )


def token_type_of(directory: Path) -> str:
    """How wide the tokens of an index are: its table has one pointer for each."""
    tokenized, table = (_size(directory / f"{stem}.0") for stem in ("tokenized", "table"))
    entries = table / pointer_bytes(tokenized) if tokenized else 0
    for kind in TOKEN_TYPES.values():
        if entries and tokenized / kind.width_bytes == entries:
            return kind.name
    raise StoreDamaged(
        f"{directory / 'table.0'} ({table} bytes) has not one pointer for each token of tokenized.0 "
        f"({tokenized} bytes): build the index again."
    )


@dataclass(frozen=True, kw_only=True)
class ForeignIndex:
    """An index in `directory` in infini-gram's version 4 layout, and what is said of it.

    `vocabulary` is one more than the largest id of its tokenizer, if that is known; `suffixes` as in
    `verify_store`.
    """

    directory: Path
    described: Description
    vocabulary: int | None = None
    suffixes: int | None = None


def check_foreign_index(
    index: ForeignIndex, *, adopt: bool = False, progress: Progress | None = None
) -> Adoption:
    """Check an index as `verify_store` does; with `adopt`, make it a store.

    metadata.N (empty objects), metaoff.N and unigram.N are made where they are missing, then blocks.N,
    heads.N for large shards and manifest.json, in a directory of their own until all is sound; the files
    that are there are only read.
    Raises StoreDamaged, StoreMissing, StoreMismatch, StoreExists, or StoreError where the disk refuses.
    """
    directory = index.directory.resolve()
    if (directory / MANIFEST).exists():
        raise StoreExists(f"{directory} has a manifest: it is a store already.")
    for left in directory.glob(f"{PREFIX}*"):  # of an adoption that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=directory if adopt else None) as name:
            adoption = _check_in(Path(name), index, progress)
            if adopt:
                _move(adoption.made, Path(name), directory)
            return adoption
    except OSError as error:
        raise StoreError(f"Adopting {directory} failed ({error}): its own files are as they were.") from error


def _check_in(beside: Path, index: ForeignIndex, progress: Progress | None) -> Adoption:
    """The check, with links to the index's files, and those that it lacks, in the directory `beside`."""
    directory = index.directory.resolve()
    try:
        made = _complete(beside, directory, index.described)
        found = verify_store(beside, suffixes=index.suffixes, progress=progress)
        _check_vocabulary(beside, index.vocabulary)
    except StoreError as error:
        raise type(error)(str(error).replace(str(beside), str(directory))) from None
    return Adoption(found, tuple(made))


def _move(names: Sequence[str], beside: Path, directory: Path) -> None:
    """Move the files that were made to the index's own; manifest.json is the last of them."""
    for name in names:
        sync_directory(beside / name)
        os.rename(beside / name, directory / name)
    sync_directory(directory)


def _complete(beside: Path, directory: Path, described: Description) -> list[str]:
    """Make `beside` a store of the index's files; the names of those that were made, manifest.json last."""
    shards, kind = shards_in(directory), token_type(described.dtype)
    files, made = dict[str, FileEntry](), list[str]()
    for number in range(shards):
        for stem in DATA_FILES:
            path = directory / f"{stem}.{number}"
            if path.exists():
                (beside / path.name).symlink_to(path)
            elif stem == "table":
                raise StoreMissing(f"{path} is not there: manage.py build_index makes what is missing.")
        check_token_files(beside, number, kind)
        made += complete_shard(beside, number, kind)
        files |= checksum_shard(beside, number)
        made.append(f"blocks.{number}")
    manifest = make_manifest(described, files)
    made += write_heads(beside, manifest)
    write_manifest(manifest, beside)
    return [*made, MANIFEST]


def _check_vocabulary(path: Path, vocabulary: int | None) -> None:
    with TokenStore.open(path) as store:
        ids = store.unigrams[:, 0]
        largest = int(ids[ids != store.manifest.token_type.separator].max(initial=-1))
    if vocabulary is not None and largest >= vocabulary:
        raise StoreMismatch(
            f"{path} holds token id {largest}, the tokenizer ends at {vocabulary - 1}: give the tokenizer "
            "that the index was built with."
        )


def _size(path: Path) -> int:
    if not path.is_file():
        raise StoreMissing(f"{path} is not there: name the directory of a whole index.")
    return path.stat().st_size
