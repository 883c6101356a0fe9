"""Markdown of a model's answer as safe HTML, with spans painted by character offset.

Offsets count characters of the raw text. To carry them through Markdown, one private-use character is set
before and one after each span; the parser treats both as letters, and after sanitising they become links.
A mark that would change how the text parses (say, one that splits `**`) is left out: painting a span never
changes what a reader sees otherwise.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from html import escape

import nh3
from markdown_it import MarkdownIt

from playground.core.blocks import Block, References, cut
from playground.core.rendering import code, formulas
from playground.core.rendering.fences import fence_html
from playground.core.rendering.marks import CLOSE, OPEN
from playground.core.rendering.paints import Harmless, Paint

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
KEPT_CHARACTERS = 4000
PIECE = re.compile(
    r"""<math[ >](?s:.*?)</math>|<(?:[^"'<>]|"[^"]*"|'[^']*')*>|[^<\ue000\ue001]+|[\ue000\ue001]|<"""
)


def markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    formulas.formulas_plugin(parser)
    parser.add_render_rule("fence", code.render_fence)
    parser.add_render_rule("code_block", code.render_indented)
    return parser


MARKDOWN = markdown()
CUTTER = markdown().disable("inline")  # finds blocks, and leaves what is inside them alone


def render_blocks(text: str, paints: Sequence[Paint] = ()) -> list[str]:
    """HTML of each top-level block of `text`, sanitised, with `paints` as links around their characters."""
    blocks, references = cut(CUTTER, text)
    return paint_blocks(blocks, paints, tuple(references))


def paint_blocks(blocks: Sequence[Block], paints: Sequence[Paint], references: References = ()) -> list[str]:
    """HTML of each of some blocks, with the paints of the whole text; a paint may reach over several."""
    painted = zip(blocks, paints_of(blocks, paints), strict=True)
    return [render_block(block.source, own, references) for block, own in painted]


def paints_of(blocks: Sequence[Block], paints: Sequence[Paint]) -> list[tuple[Paint, ...]]:
    """For each block its paints, cut to it and counted from its beginning."""
    found, first = [], 0
    for block in blocks:
        own, number = [], first
        while number < len(paints) and paints[number].start < block.end:
            own.append(paints[number])
            number += 1
        found.append(tuple(part for paint in own if (part := within(block, paint))))
        first = number - 1 if own and own[-1].end > block.end else number
    return found


def within(block: Block, paint: Paint) -> Paint | None:
    """The part of a paint that is in a block; None where there is nothing to see of it."""
    visible_end = block.visible_end
    start, end = max(paint.start - block.start, 0), min(paint.end, visible_end) - block.start
    visible = start < end and block.source[start:end].strip()
    return replace(paint, start=start, end=end) if visible else None


def render_block(source: str, paints: tuple[Paint, ...], references: References) -> str:
    """One block's HTML, with its paints counted from its beginning."""
    if (html := fence_html(source, paints, CLEANER.clean, painted_text)) is not None:
        return html
    render = rendered_and_kept if len(source) <= KEPT_CHARACTERS else rendered
    return render(source, paints, references)


def rendered(source: str, paints: tuple[Paint, ...], references: References) -> str:
    source = source.replace(OPEN, "\ufffd").replace(CLOSE, "\ufffd")
    harmless = Harmless(source, partial(block_html, references=references))
    kept = harmless.of(paints)
    return paint_block(harmless.html_of(kept), iter(kept)) if kept else harmless.plain


# Most blocks of a text that grows, and of a page that is seen again, are as they were.
rendered_and_kept = lru_cache(maxsize=4096)(rendered)


def block_html(source: str, references: References) -> str:
    """Sanitised HTML of a block, with the links that the text around it defines."""
    known = {label: {"href": href, "title": title} for label, href, title in references}
    return CLEANER.clean(MARKDOWN.render(source, {"references": known}))


def paint_block(html: str, paints: Iterable[Paint]) -> str:
    """`html` with its marks turned into links, each closed and opened again around the tags inside it."""
    source = iter(paints)
    out: list[str] = []
    current: Paint | None = None
    inside_link = inside_pre = 0
    for piece in PIECE.findall(html):
        if piece == OPEN:
            current = next(source)
        elif piece == CLOSE:
            current = None
        elif piece.startswith("<") and len(piece) > 1 and not piece.startswith("<math"):
            inside_link += piece.startswith("<a ") - (piece == "</a>")
            inside_pre += piece.startswith("<pre") - (piece == "</pre>")
            out.append(piece)
        else:
            seen = not inside_link and (inside_pre or not between_tags(piece))
            out.append(painted_text(piece, current) if current and seen else piece)
    return "".join(out)


def between_tags(text: str) -> bool:
    """Whether text is but the line's end between two tags: painted, it would be a line of its own."""
    return "\n" in text and text.isspace()


def painted_text(html: str, paint: Paint) -> str:
    address, css_class, label = escape(paint.href), escape(paint.css_class), escape(paint.label)
    return f'<a class="{css_class}" href="{address}" title="{label}">{html}</a>'
