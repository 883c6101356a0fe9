"""Small real stores and tokenizers for the tracing tests."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tracing.core.store import TokenStore
from tracing.core.tokenizer import TextTokenizer
from tracing.core.writer import StoreWriter

SAMPLE = (
    "ones: 7 + 8 = 15. carry 1.\nJoin two or more pathname components, inserting '/' as needed. é 日本 😀"
)


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
    return str(tokenizer.to_str())


def text_tokenizer() -> TextTokenizer:
    return TextTokenizer(tokenizer_json().encode(), Path("tokenizer.json"))


def write_store(
    path: Path, documents: Sequence[Sequence[int]], dtype: str = "u16", **options: Any
) -> TokenStore:
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
