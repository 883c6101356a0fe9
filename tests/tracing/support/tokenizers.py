"""A small tokenizer of each kind that Hugging Face's library makes, trained on a few sentences."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.tracing.support.stores import SAMPLE
from tracing.core.text.tokenizer import TextTokenizer

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SENTENCES = [SAMPLE, "The quick brown fox jumps over the lazy dog, doesn't it?"] * 3


def llama() -> Tokenizer:
    """BPE with byte fallback: a space set before the text, all spaces as ▁."""
    made = _bytes_first(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(parts)
    return made


def gemma() -> Tokenizer:
    """As Llama's, without the space before the text."""
    made = llama()
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return made


def mistral() -> Tokenizer:
    """As Llama's, with Metaspace in place of the normalizer."""
    made = llama()
    made.normalizer = None
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return made


def t5() -> Tokenizer:
    """Unigram with Metaspace; NFKC first."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    made.train_from_iterator(SENTENCES, trainer)
    return made


def bert() -> Tokenizer:
    """WordPiece of lower-cased words without accents."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=200, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False
    )
    made.train_from_iterator(SENTENCES, trainer)
    return made


def word_ends() -> Tokenizer:
    """BPE whose words end in </w>."""
    made = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.decoder = decoders.BPEDecoder("</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=200, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    made.train_from_iterator(SENTENCES, trainer)
    return made


def words() -> Tokenizer:
    """Whole words, no decoder."""
    made = Tokenizer(models.WordLevel(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(
        SENTENCES, trainers.WordLevelTrainer(special_tokens=["<unk>"], show_progress=False)
    )
    return made


KINDS: dict[str, Callable[[], Any]] = {
    made.__name__: made for made in (llama, gemma, mistral, t5, bert, word_ends, words)
}
EXACT = ("gemma",)
PREFIXED = ("llama", "mistral")
"""Those whose ids hold every text, with a space before it."""


@cache
def raw(kind: str) -> Tokenizer:
    return KINDS[kind]()


@cache
def reader(kind: str) -> TextTokenizer:
    return TextTokenizer(raw(kind).to_str().encode(), Path(f"{kind}/tokenizer.json"))


def _bytes_first(model: Any) -> Tokenizer:
    """A trained BPE whose vocabulary begins with <unk> and a token for each byte."""
    trained = Tokenizer(model)
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=480, special_tokens=["<unk>", *BYTES], show_progress=False)
    trained.train_from_iterator(SENTENCES, trainer)
    import json

    fields = json.loads(trained.to_str())
    fields["added_tokens"] = fields["added_tokens"][:1]  # bytes are ordinary tokens, as in Llama's file
    fields["pre_tokenizer"] = None
    return Tokenizer.from_str(json.dumps(fields))
