"""Code blocks: in colours where the language is known, with a button that copies them."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from playground.core.rendering.colours import parts_of
from playground.core.rendering.marks import CLOSE, OPEN, strip_marks

NAME_CHARACTERS = 30
PART = '<span class="code-part">'


def render_fence(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """A fenced block. Its language is what stands first behind the fence."""
    token = tokens[index]
    return block(token.content, language_of(strip_marks(token.info)))


def language_of(info: str) -> str:
    named = info.split(maxsplit=1)
    return named[0][:NAME_CHARACTERS] if named else ""


def render_indented(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    return block(tokens[index].content, "")


def block(code: str, language: str) -> str:
    """A code block; marks in the code stay where they are.

    It is in parts, each an element of its own but the first, so that a long one grows by its last part alone.
    """
    named = f' class="language-{escape(language)}"' if language else ""
    return (
        f'<div class="code" data-language="{escape(language)}">'
        '<button type="button" class="copy-code" aria-label="Copy this code"></button>'
        f'<pre tabindex="0"><code{named}>{"".join(woven(code, language))}</code></pre></div>\n'
    )


def woven(code: str, language: str) -> Iterator[str]:
    """The code's parts as HTML, with its marks at the characters at which they stand."""
    place = 0
    for number, pieces in enumerate(parts_of(strip_marks(code), language.lower())):
        html = []
        for kind, text in pieces:
            start, place = place, behind(code, place, len(text))
            html.append(in_colour(kind, escape(code[start:place])))
        yield in_part(number, "".join(html))
    yield code[place:]


def behind(code: str, place: int, characters: int) -> int:
    """The place behind so many characters, marks not counted."""
    while characters:
        characters -= code[place] not in (OPEN, CLOSE)
        place += 1
    return place


def in_colour(kind: str, html: str) -> str:
    return f'<span class="hl-{kind}">{html}</span>' if kind else html


def in_part(number: int, html: str) -> str:
    return f"{PART}{html}</span>" if number else html
