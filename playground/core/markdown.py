"""Markdown of a model's answer as safe HTML, with spans painted by character offset.

Offsets count characters of the raw text. To carry them through Markdown, one private-use character is set
before and one after each span; the parser treats both as letters, and after sanitising they become links.
A mark that would change how the text parses (say, one that splits `**`) is left out: painting a span never
changes what a reader sees otherwise.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from playground.core.rendering import code, formulas
from playground.core.rendering.marks import CLOSE, OPEN, strip_marks

TAGS = {
    *("div", "span", "button"),
    *("p", "br", "hr", "blockquote", "pre", "code", "a", "em", "strong", "del", "s"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *formulas.TAGS,
}
ATTRIBUTES = {
    "a": {"href"},
    "button": {"type", "class", "aria-label"},
    "code": {"class"},
    "div": {"class", "data-language"},
    "ol": {"start"},
    "p": {"class"},
    "pre": {"tabindex"},
    "span": {"class"},
    **formulas.ATTRIBUTES,
}
CLEANER = nh3.Cleaner(tags=TAGS, attributes=ATTRIBUTES)
# A list, heading or quote marker must stay the first thing on its line.
BLOCK_PREFIX = re.compile(r"[ \t]*(?:(?:#{1,6}|[-*+]|\d{1,9}[.)]|>|\|)[ \t]*)*")
PIECE = re.compile(
    r"""<math[ >](?s:.*?)</math>|<(?:[^"'<>]|"[^"]*"|'[^']*')*>|[^<\ue000\ue001]+|[\ue000\ue001]|<"""
)


@dataclass(frozen=True)
class Paint:
    """A stretch of text to paint: [start, end) in characters, its address and its CSS class.

    Paints of one text do not overlap and are in order.
    """

    start: int
    end: int
    href: str
    css_class: str
    label: str = ""


def markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    formulas.formulas_plugin(parser)
    parser.add_render_rule("fence", code.render_fence)
    parser.add_render_rule("code_block", code.render_indented)
    return parser


MARKDOWN = markdown()


def render_blocks(text: str, paints: Sequence[Paint] = ()) -> list[str]:
    """HTML of each top-level block of `text`, sanitised, with `paints` as links around their characters."""
    text = text.replace(OPEN, "\ufffd").replace(CLOSE, "\ufffd")
    plain = block_html(text)
    kept = harmless(text, plain, list(paints))
    if not kept:
        return plain
    painted = iter(kept)
    return [paint_block(html, painted) for html in block_html(marked(text, kept))]


def harmless(text: str, plain: list[str], paints: list[Paint]) -> list[Paint]:
    """The paints whose marks leave the parse of `text` as it is."""
    if not paints or leaves_as_is(text, plain, paints):
        return paints
    return [paint for paint in paints if leaves_as_is(text, plain, [paint])]


def leaves_as_is(text: str, plain: list[str], paints: list[Paint]) -> bool:
    html = block_html(marked(text, paints))
    pairs = sum(block.count(OPEN) for block in html)
    return pairs == len(paints) and [strip_marks(block) for block in html] == plain


def marked(text: str, paints: Iterable[Paint]) -> str:
    """`text` with one character before and one after each paint, past any block marker at a line's start."""
    pieces, done = [], 0
    for paint in paints:
        start = after_block_prefix(text, paint.start, paint.end)
        pieces += [text[done:start], OPEN, text[start : paint.end], CLOSE]
        done = paint.end
    return "".join([*pieces, text[done:]])


def after_block_prefix(text: str, start: int, end: int) -> int:
    line_start = text.rfind("\n", 0, start) + 1
    match = BLOCK_PREFIX.match(text, line_start)
    return min(max(start, match.end() if match else start), end)


def block_html(text: str) -> list[str]:
    """Sanitised HTML of each top-level block."""
    environment: dict[str, object] = {}
    blocks = top_level(MARKDOWN.parse(text, environment))
    rendered = (MARKDOWN.renderer.render(block, MARKDOWN.options, environment) for block in blocks)
    return [CLEANER.clean(html) for html in rendered]


def top_level(tokens: Sequence[Token]) -> Iterable[list[Token]]:
    """The token stream cut where the nesting returns to nothing."""
    block: list[Token] = []
    depth = 0
    for token in tokens:
        block.append(token)
        depth += token.nesting
        if depth == 0:
            yield block
            block = []


def paint_block(html: str, paints: Iterable[Paint]) -> str:
    """`html` with its marks turned into links, each closed and opened again around the tags inside it."""
    source = iter(paints)
    out: list[str] = []
    current: Paint | None = None
    inside_link = 0
    for piece in PIECE.findall(html):
        if piece == OPEN:
            current = next(source)
        elif piece == CLOSE:
            current = None
        elif piece.startswith("<") and len(piece) > 1 and not piece.startswith("<math"):
            inside_link += piece.startswith("<a ") - (piece == "</a>")
            out.append(piece)
        else:
            out.append(painted_text(piece, current) if current and not inside_link else piece)
    return "".join(out)


def painted_text(html: str, paint: Paint) -> str:
    address, css_class, label = escape(paint.href), escape(paint.css_class), escape(paint.label)
    return f'<a class="{css_class}" href="{address}" hx-get="{address}" title="{label}">{html}</a>'
