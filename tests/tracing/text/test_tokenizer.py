"""Ids and characters: the same text both ways, whatever the bytes."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracing.support.stores import text_tokenizer, tokenizer_json
from tracing.core.errors import InputError, StoreDamaged, StoreMismatch, StoreMissing
from tracing.core.text.decoding import decode_tokens
from tracing.core.text.tokenizer import TextTokenizer

TOKENIZER = text_tokenizer()


@given(st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_decoding_what_was_encoded_gives_the_text_and_the_same_offsets(text: str) -> None:
    ids, offsets = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == (text, offsets)
    covered = {character for start, end in offsets for character in range(start, end)}
    assert covered == set(range(len(text)))


@given(st.binary(max_size=40), st.data())
@settings(max_examples=500, deadline=None)
def test_each_piece_holds_the_characters_that_its_bytes_touch(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    bounds = [0, *cuts, len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(bounds)]
    text, offsets = decode_tokens(pieces)
    assert text == data.decode("utf-8", "replace")
    for (start, end), first, last in zip(offsets, bounds, bounds[1:], strict=False):
        begun = len(data[:last].decode("utf-8", "replace"))
        assert end == begun or last == 0
        assert (start == end) == (first == last)
        assert 0 <= start <= end <= len(text)


def test_a_character_split_over_tokens_belongs_to_each_of_them() -> None:
    assert decode_tokens([b"a\xe6", b"\x97", b"\xa5b"]) == ("a日b", [(0, 2), (1, 2), (1, 3)])


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    assert decode_tokens([b"\xff", b"", b"x\xe6"]) == ("\ufffdx\ufffd", [(0, 1), (1, 1), (1, 3)])


def test_a_special_tokens_text_becomes_that_token_and_decodes_to_its_text() -> None:
    ids, offsets = TOKENIZER.encode("hi<|im_end|>\n")
    assert [i in TOKENIZER.special_ids for i in ids][-2:] == [True, False]
    assert offsets[-2] == (2, 12)
    assert TOKENIZER.decode(ids)[0] == "hi<|im_end|>\n"


def test_tags_are_markup_but_not_special() -> None:
    [tag] = TOKENIZER.encode("</think>")[0]
    assert tag in TOKENIZER.markup_ids
    assert tag not in TOKENIZER.special_ids
    assert TOKENIZER.special_ids < TOKENIZER.markup_ids


@pytest.mark.parametrize("ids", [[-1], [10**6], [TOKENIZER.vocab_size], ["a"], [1.0], [10**40]])
def test_ids_outside_the_vocabulary_are_refused(ids: list) -> None:
    with pytest.raises(InputError):
        TOKENIZER.decode(ids)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InputError, match="character 1"):
        TOKENIZER.encode("a\ud800")


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json())
    assert TextTokenizer.open(tmp_path).digest == TOKENIZER.digest
    (tmp_path / "tokenizer.json").write_text(tokenizer_json() + " ")
    assert TextTokenizer.open(tmp_path).digest != TOKENIZER.digest


def test_a_missing_broken_or_unsupported_tokenizer_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        TextTokenizer.open(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(StoreDamaged):
        TextTokenizer.open(tmp_path)
    (tmp_path / "tokenizer.json").write_text(
        tokenizer_json().replace('"decoder":{"type":"ByteLevel"', '"decoder":{"type":"Fuse"')
    )
    with pytest.raises(StoreMismatch):
        TextTokenizer.open(tmp_path)
