"""LaTeX in an answer as MathML: $…$, $$…$$, \\(…\\), \\[…\\]. What cannot be read stays as written."""

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Any

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from playground.core.rendering.marks import around, marks_of, strip_marks, words

MAX_CHARACTERS = 4_000
MAX_DEPTH = 40
# They move what follows by any length, over the page's own words if need be.
REFUSED = re.compile(
    r"\\(?:hspace|mspace|vspace|hskip|mskip|kern|mkern|rule|raise|lower|llap|rlap|href|style)\b"
)
TAGS = words(
    "math mrow mi mo mn mtext mspace ms msup msub msubsup mfrac msqrt mroot mover munder munderover mtable "
    "mtr mtd mstyle mpadded mphantom menclose mmultiscripts mprescripts none"
)
ATTRIBUTES = {
    "math": {"display"},
    "mo": {
        "stretchy",
        "fence",
        "form",
        "separator",
        "lspace",
        "rspace",
        "minsize",
        "maxsize",
        "movablelimits",
    },
    "mspace": {"width"},
    "mtable": {"columnalign", "columnlines", "rowlines", "rowspacing", "columnspacing"},
    "mtd": {"columnalign"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mi": {"mathvariant"},
    "mfrac": {"linethickness"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "menclose": {"notation"},
}
CLOSERS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}


def formulas_plugin(md: MarkdownIt) -> None:
    """Adds formulas to a parser. A single $ is one where no space stands inside and no digit behind."""
    dollarmath_plugin(
        md,
        allow_labels=False,
        allow_space=False,
        allow_digits=False,
        double_inline=True,
        allow_blank_lines=False,
    )
    md.inline.ruler.before("escape", "math_brackets", inline_brackets)
    md.block.ruler.before("fence", "math_brackets", block_brackets)
    for name in ("math_inline", "math_inline_double", "math_block"):
        md.add_render_rule(name, render_formula)


def inline_brackets(state: StateInline, silent: bool) -> bool:
    opener = state.src[state.pos : state.pos + 2]
    if opener not in ("\\(", "\\["):
        return False
    end = closing(state.src, CLOSERS[opener], state.pos + 2, state.env)
    if end < 0:
        return False
    if not silent:
        name = "math_inline" if opener == "\\(" else "math_inline_double"
        token = state.push(name, "math", 0)
        token.content, token.markup = state.src[state.pos + 2 : end], opener
    state.pos = end + 2
    return True


def closing(text: str, closer: str, start: int, env: Any) -> int:
    """Where `closer` stands behind `start`, or -1. Remembered, or a text of openers alone took for ever."""
    missing = env.setdefault("missing_closers", {})
    if start >= missing.get((text, closer), len(text)):
        return -1
    end = text.find(closer, start)
    if end < 0:
        missing[text, closer] = start
    return end


def block_brackets(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """A formula whose \\[ begins a line and whose \\] ends one."""
    start = state.bMarks[first] + state.tShift[first]
    if not state.src.startswith("\\[", start) or first >= state.env.get("missing_block", last):
        return False
    for line in range(first, last):
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()
        if text.endswith("\\]"):
            break
        if not text:
            return False
    else:
        state.env["missing_block"] = first
        return False
    if not silent:
        token = state.push("math_block", "math", 0)
        token.block, token.markup, token.map = True, "\\[", [first, line + 1]
        lines = state.getLines(first, line + 1, state.blkIndent, False).strip()
        token.content = lines[2:-2]
    state.line = line + 1
    return True


def render_formula(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    """MathML, painted whole where a span touches it; the source where it cannot be read."""
    token = tokens[index]
    display = token.type != "math_inline"
    html = mathml(strip_marks(token.content).strip(), display)
    if html:
        html = around(html, marks_of(token.content))
    else:
        html = escape(f"{token.markup}{token.content}{CLOSERS[token.markup]}", quote=False)
    return f'<p class="formula">{html}</p>\n' if token.type == "math_block" else html


@lru_cache(maxsize=1024)
def mathml(source: str, display: bool) -> str:
    """MathML of LaTeX; empty where it cannot be read, or is too long or too deep for a page."""
    if not source or len(source) > MAX_CHARACTERS or depth(source) > MAX_DEPTH or REFUSED.search(source):
        return ""
    try:
        return convert(source, display="block" if display else "inline")
    except Exception:  # a dozen kinds of its own, and IndexError, KeyError: what a model writes is not LaTeX
        return ""


def depth(source: str) -> int:
    deepest = level = 0
    for character in source:
        level += (character == "{") - (character == "}")
        deepest = max(deepest, level)
    return deepest
