"""Code in an answer: coloured, copied by a button, and painted letter by letter like any other text."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.markdown import render_blocks
from playground.core.rendering.colours import LANGUAGES, coloured
from playground.core.rendering.paints import Paint

CODE = 'def add(a, b):\n    return a + b  # "sum" <b>\n'
FENCED = f"```python\n{CODE}```"


def paint(start: int, end: int) -> Paint:
    return Paint(start, end, href=f"/spans/{start}/", css_class="span")


def text_of(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def test_code_of_a_known_language_is_coloured_and_stays_the_same_text() -> None:
    [html] = render_blocks(FENCED)
    assert '<span class="hl-keyword">def</span>' in html
    assert '<span class="hl-comment"># "sum" &lt;b&gt;</span>' in html
    assert text_of(html).rstrip("\n") == CODE.rstrip("\n")


@pytest.mark.parametrize("language", ["", "no-such-language", "x" * 5000, "<b>", '"onclick="x'])
def test_code_of_any_other_language_is_left_plain(language: str) -> None:
    [html] = render_blocks(f"```{language}\n{CODE}```")
    assert "hl-" not in html
    assert text_of(html).rstrip("\n") == CODE.rstrip("\n")
    assert not re.search(r"<[^>]*\son\w+=", html)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_each_language_colours_every_character_of_a_text(language: str) -> None:
    code = 'x = [1, 2.5]\n\n\tif (a < b) { return \'é\' } // # -- """\n<p class=y>\r\n\\\n'
    assert "".join(text for _, text in coloured(code, language)) == code


def test_a_block_that_is_still_being_written_looks_as_it_will_in_the_end() -> None:
    code = "import os  # so\n" * 200
    growing, finished = render_blocks(f"```python\n{code}")[0], render_blocks(f"```python\n{code}```")[0]
    assert growing == finished
    assert growing.count("hl-keyword") == 200


def test_a_run_inside_coloured_code_is_painted_at_its_letters() -> None:
    start = FENCED.index("return a")
    [html] = render_blocks(FENCED, [paint(start, start + 8)])
    painted = "".join(re.findall(r'<a class="span"[^>]*>(.*?)</a>', html))
    assert text_of(painted) == "return a"
    assert '<span class="hl-keyword">' in html


def test_a_run_that_begins_in_the_name_of_the_language_is_painted_where_it_can_be_seen() -> None:
    text = "```python\nimport os\n```\n\nafter all"
    after = text.index("after")
    html = "".join(render_blocks(text, [paint(5, 16), paint(after, after + 5)]))
    painted = re.findall(r'<a class="span" href="([^"]+)"[^>]*>([^<]*)', html)
    assert painted == [("/spans/5/", "import"), (f"/spans/{after}/", "after")]


@given(st.data())
def test_painting_code_never_changes_what_a_reader_sees(data: st.DataObject) -> None:
    cuts = sorted(set(data.draw(st.lists(st.integers(0, len(FENCED)), max_size=8))))
    paints = [paint(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    [painted] = render_blocks(FENCED, paints)
    assert re.sub(r'<a class="span[^>]*>|</a>', "", painted) == render_blocks(FENCED)[0]
