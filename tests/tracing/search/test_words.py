"""Words are the same whatever way they are asked for, and lie where they are said to lie."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracing.core.search.words import WORD_CHARACTERS_MAX, located_words, words_of

CHARACTERS = st.one_of(
    st.sampled_from("aZ_9 .-'\"*\n\x00ßéİıſﬁ①½日本語กำहिन्दीe\u0301\u200d\ud7ff\U0001f600ﷺ"),
    st.characters(codec="utf-8"),
)


@settings(max_examples=60)
@given(st.text(CHARACTERS, max_size=40))
def test_located_words_are_the_words_and_rebuild_what_lies_between(text: str) -> None:
    located = located_words(text)
    assert [word for word, _, _ in located] == words_of(text)
    end = 0
    for word, first, last in located:
        assert end <= first < last
        assert not any(character.isalnum() or character == "_" for character in text[end:first])
        assert words_of(text[first:last]) == [word]
        end = last
    assert not any(character.isalnum() for character in text[end:])


@given(st.text(CHARACTERS, max_size=40))
def test_words_hold_no_space_and_compare_without_case_or_form(text: str) -> None:
    words = words_of(text)
    assert not any(character.isspace() for word in words for character in word)
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    assert words_of(forms[0]) == words_of(forms[1])
    if text.isascii():
        assert words_of(text.upper()) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Join two, or more.", ["join", "two", "or", "more"]),
        ("os.path.join(a_b)", ["os", "path", "join", "a_b"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("日本語 text", ["日", "本", "語", "text"]),
        ("हिन्दी", ["हिन्दी"]),
        ("* ? [ ] \x00 - ... =\u0338", []),
        ("x" * 300, ["x" * WORD_CHARACTERS_MAX]),
    ],
)
def test_what_a_word_is(text: str, words: list[str]) -> None:
    assert words_of(text) == words
