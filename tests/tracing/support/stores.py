"""Small real stores and tokenizers for the tracing tests."""

import contextlib
import functools
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tracing.core.building.writer import StoreWriter
from tracing.core.stores.blocks import digest_file, encode_checksums
from tracing.core.stores.layout import BLOCKS, DATA_FILES, MANIFEST
from tracing.core.stores.manifest import sha256
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer

SAMPLE = (
    "ones: 7 + 8 = 15. carry 1.\nJoin two or more pathname components, inserting '/' as needed. é 日本 😀"
)


IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Hundreds of stores are published in a test: syncing them to a disk would take most of its time."""

Documents = Sequence[Sequence[int]]


@functools.cache
def tokenizer_json(vocab_size: int = 400) -> str:
    """A byte-level BPE tokenizer with digits apart, trained on a few sentences."""
    tokenizer = Tokenizer(models.BPE())
    digits, byte_level = pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([SAMPLE] * 5, trainer)
    tokenizer.add_tokens(["<think>", "</think>"])
    return str(tokenizer.to_str())


@functools.cache
def text_tokenizer() -> TextTokenizer:
    return TextTokenizer(tokenizer_json().encode(), Path("tokenizer.json"))


def write_store(path: Path, documents: Documents, dtype: str = "u16", **options: Any) -> TokenStore:
    """Publish `documents` at `path` and open the store."""
    described = {
        "tokenizer": text_tokenizer().digest,
        "stage": "pretrain",
        "source": "test",
        "licence": "PSF-2.0",
    }
    with StoreWriter(path, **{"name": path.name, "dtype": dtype, **described, **options}) as writer:
        for number, ids in enumerate(documents):
            writer.add(ids, {"id": f"{path.name}-{number}", "source": f"part.py:{number}", "title": "Part"})
        writer.publish()
    return TokenStore.open(path)


@contextlib.contextmanager
def stores_of(*collections: Documents, dtype: str = "u16", **options: Any) -> Iterator[list[TokenStore]]:
    """Open stores of these collections of documents, removed afterwards."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory, contextlib.ExitStack() as stack:
        stores = [
            write_store(Path(directory) / f"store{number}", documents, dtype, **options)
            for number, documents in enumerate(collections)
        ]
        for store in stores:
            stack.enter_context(store)
        yield stores


def resign(path: Path, *, checksums: bool = True, **changes: Any) -> None:
    """Give the store at `path` the digests, and unless told otherwise the checksums, of its files."""
    fields = json.loads((path / MANIFEST).read_text())
    for number in range(sum(name.startswith("tokenized.") for name in fields["files"])):
        found = {stem: digest_file(path / f"{stem}.{number}") for stem in DATA_FILES}
        if checksums:
            (path / f"{BLOCKS}.{number}").write_bytes(
                encode_checksums({stem: sums for stem, (_, sums) in found.items()})
            )
    for name, entry in fields["files"].items():
        entry["size"], entry["digest"] = (path / name).stat().st_size, digest_file(path / name)[0]
    fields |= changes
    del fields["digest"]
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    (path / MANIFEST).write_text(json.dumps({**fields, "digest": sha256(canonical.encode())}))
