"""Encoding in bulk gives the ids of `tokenizers`, whatever the text and the tokenizer."""

import json
from typing import Any

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.tracing.support.stores import SAMPLE, tokenizer_json
from tracing.core.errors import InputError
from tracing.core.stores.layout import token_type
from tracing.core.text.bulk import PLAIN, BulkEncoder, _Plan
from training.core.tokenizer import PIECES

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PARTIAL = r"\p{L}+| "
"""Leaves gaps between its matches."""


def byte_level(*before: Any, use_regex: bool = False, **options: Any) -> Tokenizer:
    """A byte-level BPE of a few merges, cut by these steps first."""
    tokenizer = Tokenizer(models.BPE())
    last = pre_tokenizers.ByteLevel(add_prefix_space=options.pop("prefix", False), use_regex=use_regex)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*before, last])
    tokenizer.normalizer = options.pop("normalizer", None)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=380, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([SAMPLE, "it's 's ll  \n\n x1234 y!?\n"] * 3, trainer)
    tokenizer.add_tokens(options.pop("added", []))
    return tokenizer


def split(pattern: str, behavior: str = "isolated") -> Any:
    return pre_tokenizers.Split(Regex(pattern), behavior)


TOKENIZERS = {
    "gpt2": byte_level(use_regex=True),
    "llama3": byte_level(split(LLAMA3)),
    "ours": byte_level(split(PIECES), added=["<think>", "it's"]),
    "digits": byte_level(pre_tokenizers.Digits(True), use_regex=True),
    "digit runs": byte_level(pre_tokenizers.Digits(False), split(LLAMA3)),
    "gaps": byte_level(split(PARTIAL)),
    "composed": byte_level(use_regex=True, normalizer=normalizers.NFC()),
    "prefix": byte_level(use_regex=True, prefix=True),
    "lower": byte_level(use_regex=True, normalizer=normalizers.Lowercase()),
    "merged": byte_level(split(r"\s", "merged_with_next")),
    "possessive": byte_level(split(r"\p{L}++|\P{L}")),
    "sample": Tokenizer.from_str(tokenizer_json()),
}
IN_PIECES = {"gpt2", "llama3", "ours", "digits", "digit runs", "gaps", "composed", "sample"}

TEXTS = st.text(
    st.one_of(
        st.sampled_from("ab's\u017f\u212aI1²½٣\n\r\t \x0b\x1c\u00a0\u3000éеß日ー가😀!<>.-_"), st.characters()
    )
)
WORDS = st.lists(
    st.sampled_from(["it's", "<think>", " ", "  ", "\n", "1234", "don't", "LL", "x", "é", "…"])
).map("".join)


@given(st.sampled_from(sorted(TOKENIZERS)), st.lists(st.one_of(TEXTS, WORDS), max_size=4))
@settings(max_examples=600, deadline=None)
def test_bulk_encoding_gives_the_tokenizers_own_ids(name: str, texts: list[str]) -> None:
    tokenizer = TOKENIZERS[name]
    encoder = BulkEncoder(tokenizer.to_str().encode(), token_type("u16"))
    for text, data in zip(texts, encoder.encode(texts), strict=True):
        try:
            expected = tokenizer.encode(text, add_special_tokens=False).ids
        except TypeError:
            assert isinstance(data, InputError)
        else:
            assert np.frombuffer(data, "<u2").tolist() == expected


@pytest.mark.parametrize("name", TOKENIZERS)
def test_only_tokenizers_whose_pieces_are_certain_are_cut_into_pieces(name: str) -> None:
    assert (_Plan.of(json.loads(TOKENIZERS[name].to_str())) is not None) == (name in IN_PIECES)


def test_letters_digits_and_spaces_of_plain_text_are_the_same_to_both() -> None:
    codes = [*range(0xD800), *range(0xE000, 0x20000)]
    plain = "".join(c for c in map(chr, codes) if PLAIN.fullmatch(c))
    assert len(plain) > 40_000
    for kind in (r"\p{L}", r"\p{N}", r"\s"):
        theirs = split(kind, "removed").pre_tokenize_str(plain)
        assert "".join(part for part, _ in theirs) == regex.sub(kind, "", plain)


def test_half_a_surrogate_pair_is_an_error_of_its_own_text_only() -> None:
    first, second = BulkEncoder(tokenizer_json().encode(), token_type("u16")).encode(["\ud800", "ab"])
    assert isinstance(first, InputError)
    assert isinstance(second, bytes)
