"""Token stores of any size to measure on: the standard library and seeded synthetic text with repeats.

`python -m benchmarks.corpora DIRECTORY [--tokens 10_000_000 100_000_000 1_000_000_000]` makes each store that
is not there yet. Sorting one takes about 10 bytes of memory a token.
"""

import argparse
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tracing.core.building.writer import StoreWriter
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer

VOCABULARY = 4096
SIZES = (10_000_000, 100_000_000, 1_000_000_000)
CHUNK_TOKENS = 1 << 22
POOL_TOKENS = 1 << 24  # how far back passages are copied from
PASSAGE_TOKENS = (5, 60)
DOCUMENT_TOKENS = (60, 1200)
COPIED_SHARE = 1 / 3
ZIPF_EXPONENT = 1.2

Ids = NDArray[np.int64]
Stored = NDArray[np.uint16]


def make() -> None:
    """Make the stores that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tokens", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    for tokens in options.tokens:
        began = time.perf_counter()
        store = open_or_build(options.directory, tokens)
        print(f"{store.path}: {store.tokens:,} tokens, {time.perf_counter() - began:.0f} s", flush=True)


def open_or_build(directory: Path, tokens: int, *, seed: int = 0) -> TokenStore:
    """The store of `tokens` tokens in `directory`, made with the tokenizer beside it if it is not there."""
    path = directory / f"{tokens}-{seed}"
    tokenizer = open_or_train(directory)
    if not path.exists():
        build_store(path, tokenizer, tokens, np.random.default_rng(seed))
    return TokenStore.open(path, tokenizer=tokenizer.digest)


def open_or_train(directory: Path) -> TextTokenizer:
    """The tokenizer in `directory`, trained if it is not there."""
    if not (directory / "tokenizer.json").exists():
        directory.mkdir(parents=True, exist_ok=True)
        train_tokenizer(directory)
    return TextTokenizer.open(directory)


def train_tokenizer(directory: Path) -> None:
    """A byte-level BPE of 4096 entries, digits apart, trained on a tenth of the library."""
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator((text for _, text in list(library())[::10]), trainer)
    tokenizer.save(str(directory / "tokenizer.json"))


def library() -> Iterator[tuple[str, str]]:
    """Name and text of every module of the standard library, tests left out."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if not {"site-packages", "test", "tests"} & set(path.parts):
            yield str(path.relative_to(root)), path.read_text(errors="replace")


def build_store(path: Path, tokenizer: TextTokenizer, tokens: int, rng: np.random.Generator) -> None:
    """Up to half real text, the rest synthetic; published at `path`."""
    described = {"source": "standard library, synthetic", "licence": "PSF-2.0", "stage": "pretrain"}
    with StoreWriter(path, name=path.name, tokenizer=tokenizer.digest, dtype="u16", **described) as writer:
        texts = []
        for name, ids in real_text(tokenizer, tokens // 2):
            writer.add(ids, {"id": name, "source": f"{name}:1", "title": name})
            texts.append(ids)
        pool = np.concatenate(texts).astype(np.uint16)
        for number, document in enumerate(
            synthetic(tokens - pool.size, plain_words(tokenizer, rng), pool, rng)
        ):
            writer.add(document, {"id": f"synthetic-{number}", "source": "seeded Zipf", "title": str(number)})
        writer.publish()


def real_text(tokenizer: TextTokenizer, tokens: int) -> Iterator[tuple[str, Ids]]:
    """Name and ids of the library's modules, `tokens` at most in all."""
    for name, text in library():
        if tokens <= 0:
            return
        ids = np.array(tokenizer.encode(text)[0][:tokens], dtype=np.int64)
        tokens -= ids.size
        yield name, ids


def plain_words(tokenizer: TextTokenizer, rng: np.random.Generator) -> Stored:
    """The tokens of plain text, the commonest first."""
    pieces = tokenizer.pieces(range(tokenizer.vocab_size))
    words = rng.permutation([token for token, piece in enumerate(pieces) if piece.isascii()])
    return words.astype(np.uint16)


def synthetic(tokens: int, words: Stored, pool: Stored, rng: np.random.Generator) -> Iterator[Stored]:
    """Documents of Zipf-distributed words, a third of their passages copied from text before them."""
    while tokens > 0:
        chunk = passages(min(CHUNK_TOKENS, tokens), words, pool, rng)
        cuts = np.cumsum(rng.integers(*DOCUMENT_TOKENS, chunk.size // DOCUMENT_TOKENS[0] + 1))
        yield from np.split(chunk, cuts[cuts < chunk.size])
        pool = np.concatenate([pool, chunk])[-POOL_TOKENS:]
        tokens -= chunk.size


def passages(size: int, words: Stored, pool: Stored, rng: np.random.Generator) -> Stored:
    """`size` tokens in passages, one after the other."""
    lengths = rng.integers(*PASSAGE_TOKENS, size // PASSAGE_TOKENS[0] + 1)
    passage = np.repeat(np.arange(lengths.size), lengths)[:size]
    inside = np.arange(size) - (np.cumsum(lengths) - lengths)[passage]
    shares = np.cumsum(np.arange(1, words.size + 1) ** -ZIPF_EXPONENT)
    tokens: Stored = words[np.searchsorted(shares, rng.random(size) * shares[-1])]
    copied = (rng.random(lengths.size) < COPIED_SHARE)[passage]
    origins = rng.integers(0, max(1, pool.size - PASSAGE_TOKENS[1]), lengths.size)
    tokens[copied] = pool[np.minimum(origins[passage] + inside, pool.size - 1)[copied]]
    return tokens


def stitched_text(store: TokenStore, size: int, rng: np.random.Generator) -> list[int]:
    """Ids as an answer full of quotations has them: runs of 2 to 60 tokens of documents."""
    text: list[int] = []
    while len(text) < size:
        ids = store.token_ids(int(rng.integers(0, store.documents)))
        start, length = int(rng.integers(0, max(1, ids.size))), int(rng.integers(2, 60))
        text += ids[start : start + length].tolist()
    return text[:size]


def new_text(store: TokenStore, size: int, rng: np.random.Generator) -> list[int]:
    """Ids that follow each other as in the store two by two only: short, frequent matches."""
    text: list[int] = []
    while len(text) < size:
        ids = store.token_ids(int(rng.integers(0, store.documents)))
        start = int(rng.integers(0, max(1, ids.size - 2)))
        text += ids[start : start + 2].tolist()
    return text[:size]


TEXTS: Final = {"quotations": stitched_text, "new text": new_text}
"""Kinds of text to trace: of long and rare matches, and of short and frequent ones."""


if __name__ == "__main__":
    make()
