"""Markdown of a model's answer as safe HTML, with spans painted by character offset.

Offsets count characters of the raw text. To carry them through Markdown, one private-use character is set
before and one after each span; the parser treats both as letters, and after sanitising they become links.
A mark that would change how the text parses (say, one that splits `**`) is left out: painting a span never
changes what a reader sees otherwise.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape

import nh3
from markdown_it import MarkdownIt

from playground.core.blocks import Block, References, cut
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
FENCE = re.compile(r"(?:`{3,}|~{3,})[^\n]*\n?")
KEPT_CHARACTERS = 4000
PARSED_CHARACTERS = 1_000_000
"""So much is parsed at most to find the paints of one block that would change what it says."""
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
    visible_end = block.start + len(block.source.rstrip())
    start, end = max(paint.start - block.start, 0), min(paint.end, visible_end) - block.start
    visible = start < end and block.source[start:end].strip()
    return replace(paint, start=start, end=end) if visible else None


def render_block(source: str, paints: tuple[Paint, ...], references: References) -> str:
    """One block's HTML, with its paints counted from its beginning."""
    render = rendered_and_kept if len(source) <= KEPT_CHARACTERS else rendered
    return render(source, paints, references)


def rendered(source: str, paints: tuple[Paint, ...], references: References) -> str:
    source = source.replace(OPEN, "\ufffd").replace(CLOSE, "\ufffd")
    plain = block_html(source, references)
    kept = harmless(source, plain, paints, references)
    return paint_block(block_html(marked(source, kept), references), iter(kept)) if kept else plain


# Most blocks of a text that grows, and of a page that is seen again, are as they were.
rendered_and_kept = lru_cache(maxsize=4096)(rendered)


def harmless(text: str, plain: str, paints: Sequence[Paint], references: References) -> list[Paint]:
    """The paints whose marks leave the parse of `text` as it is, found by halves.

    Where there are too many that do not, the rest stays unpainted: a page waits for it.
    """
    tries_left = max(8, PARSED_CHARACTERS // (len(text) + 1))

    def leaves_as_is(tried: Sequence[Paint]) -> bool:
        html = block_html(marked(text, tried), references)
        return html.count(OPEN) == len(tried) and strip_marks(html) == plain

    def kept(tried: Sequence[Paint]) -> list[Paint]:
        nonlocal tries_left
        tries_left -= 1
        if not tried or tries_left < 0:
            return []
        if leaves_as_is(tried):
            return list(tried)
        middle = len(tried) // 2
        return [*kept(tried[:middle]), *kept(tried[middle:])] if middle else []

    return kept(paints)


def marked(text: str, paints: Iterable[Paint]) -> str:
    """`text` with one character before and one after each paint, past any block marker at a line's start."""
    pieces, done = [], 0
    for paint in paints:
        start = after_block_prefix(text, paint.start, paint.end)
        end = max(start, before_fence(text, paint.end))
        pieces += [text[done:start], OPEN, text[start:end], CLOSE]
        done = end
    return "".join([*pieces, text[done:]])


def after_block_prefix(text: str, start: int, end: int) -> int:
    line_start = text.rfind("\n", 0, start) + 1
    match = BLOCK_PREFIX.match(text, line_start)
    prefix_end = match.end() if match else start
    fence = FENCE.match(text, prefix_end)
    return min(max(start, fence.end() if fence else prefix_end), end)


def before_fence(text: str, end: int) -> int:
    """Where a paint ends that would end in the line of a code block's fence."""
    line_start = text.rfind("\n", 0, end) + 1
    match = BLOCK_PREFIX.match(text, line_start)
    return line_start if FENCE.match(text, match.end() if match else line_start) else end


def block_html(source: str, references: References) -> str:
    """Sanitised HTML of a block, with the links that the text around it defines."""
    known = {label: {"href": href, "title": title} for label, href, title in references}
    return CLEANER.clean(MARKDOWN.render(source, {"references": known}))


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
