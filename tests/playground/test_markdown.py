"""Answers as HTML: safe whatever the model wrote, and painted exactly where the spans are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.markdown import render_blocks
from playground.core.rendering.paints import Paint

TAG = re.compile(r'<a class="span[^>]*>|</a>')
WORDS = st.sampled_from(
    ["a", "**b**", "_c_", "`d`", "\n", "\n\n", "- ", "# ", " ", "é", "1. ", "> ", "*", "[x](y)", "<b>"]
)


def paint(start: int, end: int) -> Paint:
    return Paint(start, end, href=f"/spans/{start}/", css_class="span")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[x](javascript:alert(1))",
        "![x](http://example.org/x.png)",
        '[x](http://example.org "onmouseover=alert(1)")',
        "<style>*{}</style>",
        "`</code><script>alert(1)</script>`",
    ],
)
def test_nothing_a_model_writes_becomes_active_html(text: str) -> None:
    html = "".join(render_blocks(text))
    assert not re.search(r"<(script|img|style|iframe)", html)
    assert 'href="javascript' not in html
    assert not re.search(r"<[^>]*\son\w+=", html)


def test_each_top_level_block_is_rendered_apart() -> None:
    assert render_blocks("one\n\n- two\n- three\n") == [
        "<p>one</p>\n",
        "<ul>\n<li>two</li>\n<li>three</li>\n</ul>\n",
    ]


def test_a_span_is_painted_at_its_offsets() -> None:
    text = "ones: 7 + 8 = 15. carry 1."
    [html] = render_blocks(text, [paint(6, 17)])
    assert '<a class="span" href="/spans/6/" title="">7 + 8 = 15.</a>' in html


def test_a_span_over_emphasis_is_painted_on_both_sides_of_the_tags() -> None:
    [html] = render_blocks("see **os.path** now", [paint(0, 19)])
    assert re.sub(TAG, "", html) == "<p>see <strong>os.path</strong> now</p>\n"
    assert html.count('class="span"') == 3


def test_a_span_at_the_start_of_a_list_item_leaves_the_list_a_list() -> None:
    [html] = render_blocks("- join paths\n- split", [paint(0, 12)])
    assert html.startswith("<ul>")
    assert ">join paths</a>" in html


def test_a_span_inside_a_code_block_is_painted() -> None:
    [html] = render_blocks("```\nimport os\n```", [paint(4, 13)])
    assert ">import os</a>" in html


@pytest.mark.parametrize(
    "text",
    ["- one\n- two\n\n  three\n", "> a\n>\n> b\n", "| a | b |\n|---|---|\n| c | d |\n", "a\n*b* *c*\nd"],
)
def test_only_words_are_painted_not_the_line_ends_between_a_blocks_parts(text: str) -> None:
    [html] = render_blocks(text, [paint(0, len(text))])
    assert re.sub("</?a[^>]*>", "", html) == render_blocks(text)[0]
    assert not re.search(r"<a[^>]*>\n+</a>", html)
    assert 'class="span"' in html


def test_private_use_characters_in_an_answer_do_not_become_marks() -> None:
    [html] = render_blocks("a \ue000b\ue001 c")
    assert html == "<p>a \ufffdb\ufffd c</p>\n"


@given(st.lists(WORDS, max_size=12).map("".join), st.data())
def test_painting_never_changes_what_a_reader_sees(text: str, data: st.DataObject) -> None:
    cuts = sorted(set(data.draw(st.lists(st.integers(0, len(text)), max_size=6))))
    paints = [paint(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    painted = [re.sub(TAG, "", block) for block in render_blocks(text, paints)]
    assert [re.sub("</a>", "", block) for block in painted] == [
        re.sub("</a>", "", b) for b in render_blocks(text)
    ]


@pytest.mark.parametrize(
    ("text", "span", "seen"),
    [
        ("so **bold words** and more", (4, 26), "bold words"),
        ("see [here](http://a.example/b) or there, say", (15, 44), "or there, say"),
        ("a __name__ of it and more and more and more of it", (3, 49), "name"),
    ],
)
def test_of_a_span_that_begins_or_ends_in_markup_the_words_are_painted(
    text: str, span: tuple[int, int], seen: str
) -> None:
    [html] = render_blocks(text, [paint(*span)])
    assert re.search(rf'<a class="span"[^>]*>[^<]*{seen}', html)
    assert re.sub("</a>", "", re.sub(TAG, "", html)) == re.sub("</a>", "", "".join(render_blocks(text)))
