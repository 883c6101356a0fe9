"""Code blocks: in colours where the language is known, with a button that copies them."""

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String, _TokenType
from pygments.util import ClassNotFound

from playground.core.rendering.marks import CLOSE, OPEN, strip_marks, words

GROWING_CHARACTERS = 4_000
"""A block that is still being written is coloured again with each of its words: only while it is short."""
MAX_CHARACTERS = 30_000
LONGEST_S = 0.2
"""A text that is made for it keeps a lexer busy for minutes: then it stays without colours."""
NAME_CHARACTERS = 30
# Named, because what a model writes chooses among them: some of Pygments' 500 lexers (ini, make, ocaml) take
# seconds for a single step over a text that is made for it, which no deadline between the steps ends.
LANGUAGES = words(
    "bash c clojure cmake cpp c++ csharp c# css dart diff docker dockerfile elixir erlang fortran go "
    "graphql haskell html java javascript js json julia kotlin latex lua markdown md "
    "nix objective-c perl php powershell prolog protobuf py pycon python python3 r rb rs ruby "
    "rust scala scheme sh shell sql swift tex toml ts tsx typescript jsx vim xml yaml yml zig zsh"
)
KINDS: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "comment"),
    (Operator.Word, "keyword"),
    (Keyword, "keyword"),
    (String, "string"),
    (Number, "number"),
    (Name.Function, "name"),
    (Name.Class, "name"),
    (Name.Decorator, "name"),
    (Name.Builtin, "name"),
    (Name.Tag, "keyword"),
    (Name.Attribute, "name"),
    (Generic.Inserted, "inserted"),
    (Generic.Deleted, "deleted"),
    (Generic.Heading, "keyword"),
    (Generic.Subheading, "keyword"),
    (Generic.Prompt, "comment"),
)
Piece = tuple[str, str]


def render_fence(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """A fenced block. Its language is what stands first behind the fence."""
    token = tokens[index]
    named = strip_marks(token.info).split(maxsplit=1)
    language = named[0][:NAME_CHARACTERS] if named else ""
    return block(token.content, language, closed=is_closed(token))


def render_indented(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    return block(tokens[index].content, "", closed=True)


def is_closed(token: Token) -> bool:
    """Whether the fence's end is written: it takes one more line than its content and its beginning do."""
    first, last = token.map or (0, 0)
    return last - first > token.content.count("\n") + 1


def block(code: str, language: str, *, closed: bool) -> str:
    """A code block; marks in the code stay where they are."""
    limit = MAX_CHARACTERS if closed else GROWING_CHARACTERS
    pieces = coloured(strip_marks(code), language.lower()) if len(code) <= limit else ()
    html = "".join(woven(code, pieces)) if pieces else escape(code)
    named = f' class="language-{escape(language)}"' if language else ""
    return (
        f'<div class="code" data-language="{escape(language)}">'
        '<button type="button" class="copy-code" aria-label="Copy this code"></button>'
        f'<pre tabindex="0"><code{named}>{html}</code></pre></div>\n'
    )


@lru_cache(maxsize=512)
def coloured(code: str, language: str) -> tuple[Piece, ...]:
    """(kind, text) of each part of the code, together the code; nothing where the language is not known."""
    lexer = lexer_of(language)
    if lexer is None:
        return ()
    pieces = tuple(merged(lexed(lexer, code)))
    return pieces if "".join(text for _, text in pieces) == code else ()


def lexed(lexer: Lexer, code: str) -> Iterator[Piece]:
    """The parts as the lexer finds them, as far as it comes in the time that a page has."""
    deadline = time.monotonic() + LONGEST_S
    for _, kind, text in lexer.get_tokens_unprocessed(code):
        if time.monotonic() > deadline:
            return
        yield kind_of(kind), text


@lru_cache(maxsize=128)
def lexer_of(language: str) -> Lexer | None:
    if language not in LANGUAGES:
        return None
    try:
        return get_lexer_by_name(language)
    except ClassNotFound:
        return None


def kind_of(token: _TokenType) -> str:
    return next((kind for parent, kind in KINDS if token in parent), "")


def merged(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Neighbours of one kind as one: half as many elements in the page."""
    last, texts = "", list[str]()
    for kind, text in pieces:
        if kind != last and texts:
            yield last, "".join(texts)
            texts = []
        last = kind
        texts.append(text)
    if texts:
        yield last, "".join(texts)


def woven(code: str, pieces: Sequence[Piece]) -> Iterator[str]:
    """The pieces as HTML, with the marks of `code` at the characters at which they stand in it."""
    place = 0
    for kind, text in pieces:
        start = place
        left = len(text)
        while left:
            left -= code[place] not in (OPEN, CLOSE)
            place += 1
        html = escape(code[start:place])
        yield f'<span class="hl-{kind}">{html}</span>' if kind else html
    yield code[place:]
