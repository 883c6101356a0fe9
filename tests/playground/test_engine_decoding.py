"""Text that comes piece by piece is the text of all the ids, and ends before a stop text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.decoding import Decoded, StopFinder, TokenDecoder
from tests.playground.tiny_model import write_text_files
from tracing.core.text.tokenizer import TextTokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    directory = tmp_path_factory.mktemp("tokenizer")
    write_text_files(directory)
    return TextTokenizer.open(directory)


ids = st.lists(st.integers(0, 511), max_size=40)
odd_texts = st.text(st.sampled_from("aé€𝄞 \n"), max_size=15)


def pieces_of(tokenizer: TextTokenizer, token_ids: list[int], places: set[int]) -> list[Decoded]:
    decoder = TokenDecoder(tokenizer)
    edges = sorted({0, len(token_ids), *(p for p in places if p < len(token_ids))})
    chunks = [token_ids[a:b] for a, b in pairwise(edges)]
    return [*map(decoder.push, chunks), decoder.finish()]


@given(ids, st.sets(st.integers(0, 40)))
def test_the_pieces_together_are_the_decoding_of_all_ids(
    tokenizer: TextTokenizer, token_ids: list[int], places: set[int]
) -> None:
    pieces = pieces_of(tokenizer, token_ids, places)
    assert [i for piece in pieces for i in piece.token_ids] == token_ids
    assert "".join(piece.text for piece in pieces) == tokenizer.decode(token_ids)[0]


@given(odd_texts)
def test_every_piece_decodes_on_its_own(tokenizer: TextTokenizer, text: str) -> None:
    token_ids = tokenizer.encode(text)[0]
    for piece in pieces_of(tokenizer, token_ids, set(range(40))):
        assert tokenizer.decode(piece.token_ids)[0] == piece.text


def shown(texts: list[str], stops: tuple[str, ...]) -> tuple[str, list[int], bool]:
    """The text and token numbers that come through, and whether a stop was found."""
    finder, out = StopFinder(stops), []
    for number, text in enumerate(texts):
        out += finder.push([Decoded((number,), text)])
        if finder.found:
            break
    out += finder.finish()
    return "".join(p.text for p in out), [i for p in out for i in p.token_ids], finder.found


@given(
    st.lists(st.text("ab.", max_size=3), max_size=10),
    st.lists(st.text("ab.", min_size=1, max_size=3), max_size=3),
)
def test_the_text_ends_before_the_first_stop(texts: list[str], stops: list[str]) -> None:
    whole = "".join(texts)
    ends = [at for stop in stops if (at := whole.find(stop)) >= 0]
    text, numbers, found = shown(texts, tuple(stops))
    assert found == bool(ends)
    assert whole.startswith(text)
    assert numbers == list(range(len(numbers)))
    if not ends:
        assert (text, len(numbers)) == (whole, len(texts))
    else:
        # Of two stop texts that overlap, the one whose last character comes first ends the text.
        assert min(ends) <= len(text)
        assert any(whole.startswith(stop, len(text)) for stop in stops)


@pytest.mark.parametrize("texts", [["one.", "two"], ["on", "e.t", "wo"], list("one.two")])
def test_a_stop_text_cut_anywhere_is_found(texts: list[str]) -> None:
    assert shown(texts, (".t",))[0] == "one"


def test_what_only_looks_like_a_stop_comes_through_in_the_end() -> None:
    assert shown(["a", "#", "#"], ("###",)) == ("a##", [0, 1, 2], False)
