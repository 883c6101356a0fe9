"""A block that is one fence is rendered by parts, and comes out as Markdown's parser renders it whole."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.core.blocks import cut, parsed
from playground.core.markdown import CUTTER, paints_of, render_block, rendered
from playground.core.rendering import colours
from playground.core.rendering.colours import coloured, parts_of
from playground.core.rendering.fences import read_fence
from playground.core.rendering.paints import Paint

PIECES = st.sampled_from(
    [
        *("```", "````", "~~~", "`", "~", "\n", "\n", "\n\n", " ", "    ", "\t", "\r\n", "\r", "\0", "\xa0"),
        *(
            "python",
            "c",
            "def f(x):",
            "return 'a'",
            '"""',
            "/*",
            "*/",
            "# b",
            "- ",
            "> ",
            "1. ",
            "|",
            "<b>",
            "&amp;",
        ),
        *("a", "é", "𝒳", "[a]: /b\n", "$$", "\ue000", "\x0c", "\x1c"),
    ]
)
TEXTS = st.lists(PIECES, max_size=30).map("".join)
LINES = st.sampled_from(
    ["x = 1  # a\n", '"""\n', "/*\n", "*/\n", "def f():\n", "    return 'a'\n", "\n", "  \n"]
)
CODES = st.lists(LINES, max_size=60).map("".join)


@pytest.fixture(autouse=True, scope="module")
def small_parts() -> Iterator[None]:
    """So that short texts have several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(colours, "PART_CHARACTERS", 20)
        patch.setattr(colours, "WINDOWS", (40, 80, 160))
        yield


@st.composite
def painted(draw: st.DrawFn, text: str) -> list[Paint]:
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    return [Paint(*place, f"/{place[0]}/", "span") for place in zip(edges[::2], edges[1::2], strict=False)]


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["", "```", "~~~~", "```python\n"]))
def test_a_text_is_cut_where_the_parser_cuts_it(text: str, first: str) -> None:
    assert cut(CUTTER, first + text) == parsed(CUTTER, first + text, 0)


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["```", "~~~~", "```python\n", "```c\n"]))
def test_a_block_is_rendered_as_the_parser_renders_it(text: str, first: str) -> None:
    for block in cut(CUTTER, first + text)[0]:
        assert render_block(block.source, (), ()) == rendered(block.source, (), ())


@settings(deadline=None)
@given(
    st.data(), CODES, st.sampled_from(["python", "c", "", "no-such"]), st.sampled_from(["", "```", "```\n\n"])
)
def test_code_is_painted_as_the_parser_has_it_painted(
    data: st.DataObject, code: str, language: str, last: str
) -> None:
    text = f"```{language}\n{code}{last}"
    blocks, _ = cut(CUTTER, text)
    [paints] = paints_of(blocks, data.draw(painted(text)))
    assert read_fence(text)
    assert render_block(text, paints, ()) == rendered(text, paints, ())


@settings(deadline=None)
@given(CODES, st.sampled_from(["python", "c", "no-such"]), st.integers(0, 400))
def test_parts_stay_as_they_are_when_the_code_goes_on(code: str, language: str, size: int) -> None:
    parts, settled = parts_of(code, language), parts_of(code[:size], language)[:-1]
    assert "".join(text for part in parts for _, text in part) == code
    assert parts[: len(settled)] == settled


@pytest.mark.parametrize("language", ["python", "c", "rust"])
def test_a_long_text_in_the_code_is_one_colour_over_its_parts(language: str) -> None:
    code = "x = 1\n" * 10 + "/*\n" + "if so\n" * 5 + "*/\n" + "y = 2\n" * 10
    [whole], parts = [coloured(code, language)], parts_of(code, language)
    assert len(parts) > 2
    letters = [kind for kind, text in whole for _ in text]
    assert [kind for part in parts for kind, text in part for _ in text] == letters
