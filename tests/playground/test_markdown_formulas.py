"""Formulas in an answer: MathML where LaTeX can be read, the model's own words where it cannot."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.core.markdown import render_blocks
from playground.core.rendering.paints import Paint

TEXT = "so $x^2$ and \\(y\\) is\n\n$$\n\\frac{a}{b}\n$$\n\nthen **bold** $z$"


def paint(start: int, end: int) -> Paint:
    return Paint(start, end, href=f"/spans/{start}/", css_class="span")


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("$x^2$", "inline"),
        ("\\(x^2\\)", "inline"),
        ("see $$x^2$$ there", "block"),
        ("$$\nx^2\n$$", "block"),
        ("\\[\nx^2\n\\]", "block"),
        ("see \\[x^2\\] there", "block"),
        ("- item\n\n  \\[\n  x^2\n  \\]", "block"),
    ],
)
def test_a_formula_becomes_mathml_however_it_is_marked(text: str, display: str) -> None:
    html = "".join(render_blocks(text))
    assert f'<math display="{display}"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>' in html
    assert "$" not in html


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $6.",
        "$ x $",
        "Set $HOME and $PATH",
        "\\$x\\$",
        "a $ b",
        "$$",
        "\\(",
        "\\[ x",
        "`$x$`",
    ],
)
def test_what_is_no_formula_stays_text(text: str) -> None:
    assert "<math" not in "".join(render_blocks(text))


@pytest.mark.parametrize(
    "source",
    [
        "\\frac",
        "x^",
        "\\left( x",
        "{" * 200,
        "x" * 5000,
        "\\hspace{9999em} y",
        "\\href{javascript:alert(1)}{x}",
        "\\begin{matrix} 1",
    ],
)
def test_latex_that_cannot_be_read_is_shown_as_the_model_wrote_it(source: str) -> None:
    html = "".join(render_blocks(f"see ${source}$"))
    assert f"${source}$".replace("&", "&amp;") in html


@pytest.mark.parametrize(
    "source",
    ["\\text{<script>alert(1)</script>}", "\\text{</math><img src=x onerror=y>}", '\\unicode{"><b>}', "<b>"],
)
def test_nothing_in_a_formula_becomes_active_html(source: str) -> None:
    html = "".join(render_blocks(f"a ${source}$ b"))
    assert not re.search(r"<(script|img|b|style)\b", html)
    assert not re.search(r"<[^>]*\s(on\w+|style|href)=", html)


def test_a_formula_that_a_run_touches_is_painted_whole() -> None:
    for start, end in ((4, 7), (0, 6), (5, 12)):
        html = "".join(render_blocks(TEXT, [paint(start, end)]))
        assert re.search(rf'<a class="span" href="/spans/{start}/"[^>]*><math', html), (start, end)


@pytest.mark.parametrize("opener", ["\\(", "\\[\n", "$$ ", "$a ", "\\[ a\n\n"])
def test_thousands_of_openers_without_an_end_are_read_once(opener: str) -> None:
    text = opener * (60_000 // len(opener))
    assert "<math" not in render_blocks(text)[0] or opener in ("$$ ", "$a ")


@given(st.data())
def test_painting_formulas_never_changes_what_a_reader_sees(data: st.DataObject) -> None:
    cuts = sorted(set(data.draw(st.lists(st.integers(0, len(TEXT)), max_size=8))))
    paints = [paint(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    painted = [re.sub(r'<a class="span[^>]*>|</a>', "", block) for block in render_blocks(TEXT, paints)]
    assert painted == render_blocks(TEXT)
