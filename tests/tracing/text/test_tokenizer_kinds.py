"""Tokenizers of every kind: the tokens' bytes are the text, and each token's characters are its own."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, decoders

from tests.tracing.support.tokenizers import EXACT, KINDS, PREFIXED, raw, reader
from tracing.core.errors import StoreMismatch
from tracing.core.stores.layout import token_type
from tracing.core.text.bulk import BulkEncoder
from tracing.core.text.token_ids import as_token_ids
from tracing.core.text.tokenizer import TextTokenizer

TEXTS = st.text(
    st.one_of(st.sampled_from("the quick. é日😀 \n▁<0x41>ﬁΩ"), st.characters(exclude_categories=["Cs"]))
)


@given(st.sampled_from(EXACT + PREFIXED), TEXTS)
@settings(max_examples=300, deadline=None)
def test_with_byte_fallback_every_text_comes_back_and_every_character_has_its_tokens(
    kind: str, text: str
) -> None:
    text = text.replace("▁", "")  # which stands for a space
    ids, offsets = reader(kind).encode(text)
    decoded, _ = reader(kind).decode(ids)
    assert decoded in (text, f" {text}")
    assert {c for start, end in offsets for c in range(start, end)} == set(range(len(text)))


@given(st.sampled_from(sorted(KINDS)), TEXTS)
@settings(max_examples=400, deadline=None)
def test_offsets_lie_in_order_within_the_text(kind: str, text: str) -> None:
    ids, offsets = reader(kind).encode(text)
    assert len(ids) == len(offsets)
    assert all(0 <= start <= end <= len(text) for start, end in offsets)
    assert [o[0] for o in offsets] == sorted(o[0] for o in offsets)
    assert [o[1] for o in offsets] == sorted(o[1] for o in offsets)
    assert ids == raw(kind).encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_of_tokens_joined_are_what_the_tokenizer_decodes(kind: str) -> None:
    text = "The quick brown fox, 7 + 8: jumps over the lazy dog. as needed."
    ids = raw(kind).encode(text, add_special_tokens=False).ids
    theirs = raw(kind).decode(ids, skip_special_tokens=False)
    ours = b"".join(reader(kind).pieces(ids)).decode()
    assert ours.strip() == theirs.strip()


def test_a_normalising_tokenizer_paints_the_original_letters() -> None:
    text = "The  QUICK brown Fóx"
    ids, offsets = reader("bert").encode(text)
    words = ["".join(part) for part in _words(ids, [text[a:b] for a, b in offsets])]
    assert words == ["The", "QUICK", "brown", "Fóx"]


def _words(ids: list[int], parts: list[str]) -> list[list[str]]:
    words: list[list[str]] = []
    for token, part in zip(ids, parts, strict=True):
        if raw("bert").id_to_token(token).startswith("##"):
            words[-1].append(part)
        else:
            words.append([part])
    return words


@given(st.sampled_from(sorted(KINDS)), st.lists(TEXTS, max_size=3))
@settings(max_examples=200, deadline=None)
def test_bulk_encoding_gives_the_same_ids(kind: str, texts: list[str]) -> None:
    encoder = BulkEncoder(raw(kind).to_str().encode(), token_type("u16"))
    for text, data in zip(texts, encoder.encode(texts), strict=True):
        ids = as_token_ids(reader(kind).encode(text)[0])
        assert data == ids.astype("<u2").tobytes()


@pytest.mark.parametrize(
    "decoder",
    [
        decoders.CTC(),
        decoders.Fuse(),
        decoders.Sequence([decoders.Replace(Regex("a+"), "b"), decoders.Fuse()]),
        decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip("x", 0, 2)]),
        decoders.Sequence([decoders.Replace("e", "E"), decoders.ByteFallback(), decoders.Strip("T", 1, 0)]),
    ],
)
def test_a_decoder_that_does_not_write_token_by_token_is_refused(decoder: object) -> None:
    made = KINDS["llama"]()
    made.decoder = decoder
    with pytest.raises(StoreMismatch, match=r"llama.tokenizer\.json decodes"):
        TextTokenizer(made.to_str().encode(), Path("llama/tokenizer.json"))
