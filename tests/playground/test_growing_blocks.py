"""The blocks of a text that grows are always those of the whole text, though only its end is parsed."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from playground.core.blocks import Block, GrowingBlocks, cut
from playground.core.markdown import CUTTER, paint_blocks, render_blocks
from playground.core.rendering.paints import Paint

MARKERS = ["- ", "1. ", "2. ", "# ", "> ", "    ", "  ", "```", "~~~", "---", "===", "\t", "*", "`"]
OTHERS = ["a", "b c", "\n", "\n", "\n\n", "\r\n", "\0", "é", "𝒳", "\u2028", "\f"]
PIECES = st.sampled_from([*MARKERS, *OTHERS, "$$", "\\[", "\\]", "| x | y |\n", "|---|---|\n"])


def blocks_of(text: str) -> list[Block]:
    return cut(CUTTER, text)[0]


@settings(deadline=None)
@given(st.lists(PIECES, max_size=25))
def test_a_growing_text_has_the_blocks_of_the_whole(pieces: list[str]) -> None:
    growing, text = GrowingBlocks(CUTTER), ""
    for piece in pieces:
        for character in piece:
            text += character
            assert growing.grow(text) == blocks_of(text)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_blocks_are_all_of_a_text_but_what_shows_nothing(text: str) -> None:
    blocks = blocks_of(text)
    for block, following in pairwise(blocks):
        assert block.end == following.start
    assert not text[: blocks[0].start if blocks else len(text)].strip()


def test_only_the_end_of_a_growing_text_is_parsed_again() -> None:
    parsed: list[int] = []

    class Cutter:
        def parse(self, text: str, environment: object) -> list[object]:
            parsed.append(len(text))
            return CUTTER.parse(text, environment)  # type: ignore[arg-type, return-value]

    growing = GrowingBlocks(Cutter())  # type: ignore[arg-type]
    text = ""
    for _ in range(200):
        text += "A paragraph of words.\n\n"
        growing.grow(text)
    assert max(parsed) < 100


def test_a_text_that_is_another_one_is_looked_at_anew() -> None:
    growing = GrowingBlocks(CUTTER)
    growing.grow("one\n\ntwo\n\nthree\n")
    assert growing.grow("four\n\nfive\n") == blocks_of("four\n\nfive\n")


def test_a_span_over_two_blocks_is_painted_in_both() -> None:
    first, second = render_blocks("one two\n\nthree four", [Paint(4, 14, "/h", "span")])
    assert ">two</a>" in first
    assert ">three</a>" in second


def test_links_that_the_text_defines_are_links_wherever_they_are_used() -> None:
    first, second = render_blocks("see [x]\n\n[x]: /u\n\nand [x]")
    assert '<a href="/u"' in first
    assert '<a href="/u"' in second


def test_a_growing_text_knows_the_links_defined_before() -> None:
    growing = GrowingBlocks(CUTTER)
    for text in ("[x]: /u\n\nsee\n\n", "[x]: /u\n\nsee\n\n[x] and\n\nmore\n\n"):
        blocks = growing.grow(text)
    assert '<a href="/u"' in paint_blocks(blocks, [], growing.references)[1]
