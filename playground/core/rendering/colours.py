"""Code in colours, part by part: what is found of a part holds whatever follows it.

A part ends at the start of a line from which the lexer goes on just as if the code began there, as what
follows shows (a comment longer than what is looked at may be taken apart). So code that grows is coloured as
it will be in the end, at the cost of its last part alone.
"""

import time
from collections.abc import Iterable, Iterator
from functools import lru_cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String, _TokenType
from pygments.util import ClassNotFound

from playground.core.rendering.marks import words

MAX_CHARACTERS = 30_000
"""Code behind so many stays without colours."""
LONGEST_S = 0.2
"""A text that is made for it keeps a lexer busy for minutes: then its part and all behind stay plain."""
ALL_S = 1.0
"""So long the parts of one block may take together."""
PART_CHARACTERS = 1_000
"""A part has so many, up to the end of its line."""
WINDOWS = (2 * PART_CHARACTERS, 4 * PART_CHARACTERS, 8 * PART_CHARACTERS)
"""So much is looked at to find where a part ends; more where it is inside a long comment or text."""
TRIES = 4
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


def parts_of(code: str, language: str) -> list[tuple[Piece, ...]]:
    """The parts of a code, each of (kind, text) pieces; all their text together is the code.

    All parts but the last stay as they are when the code goes on.
    """
    parts, place, ends = list[tuple[Piece, ...]](), 0, time.monotonic() + ALL_S
    known = lexer_of(language) is not None
    while place < len(code):
        known = known and place < MAX_CHARACTERS and time.monotonic() < ends
        pieces = coloured_part(code, place, language) if known else ()
        known = bool(pieces)
        parts.append(pieces or (("", plain_part(code, place)),))
        place += sum(len(text) for _, text in parts[-1])
    return parts


def plain_part(code: str, place: int) -> str:
    end = code.find("\n", place + PART_CHARACTERS) + 1
    return code[place : end or len(code)]


def coloured_part(code: str, place: int, language: str) -> tuple[Piece, ...]:
    """The part that begins at a place; nothing where its lexer takes too long."""
    for size in WINDOWS:
        window = code[place : place + size]
        if len(window) < size:
            return coloured(window, language)
        if part := first_part(window, language):
            return part
    end = window.rfind("\n", PART_CHARACTERS) + 1
    return coloured(window[: end or None], language)


@lru_cache(maxsize=512)
def first_part(window: str, language: str) -> tuple[Piece, ...]:
    """What comes before a line of the window's second half at which a part may end; nothing without one."""
    lexer = lexer_of(language)
    pieces = list(lexed(lexer, window)) if lexer and coloured(window, language) else []
    ends = [*line_starts(pieces, len(window) // 2)]
    for number, place in ends[:: len(ends) // TRIES + 1]:
        if tuple(merged(pieces[number:])) == coloured(window[place:], language):
            return tuple(merged(pieces[:number]))
    return ()


def line_starts(pieces: list[Piece], least: int) -> Iterator[tuple[int, int]]:
    """Pieces that begin a line, as (number, place), from a place on."""
    place, last = 0, "\n"
    for number, (_, text) in enumerate(pieces):
        if place >= least and last.endswith("\n"):
            yield number, place
        place, last = place + len(text), text


@lru_cache(maxsize=512)
def coloured(code: str, language: str) -> tuple[Piece, ...]:
    """(kind, text) of each piece of the code, together the code; nothing where the language is not known."""
    lexer = lexer_of(language)
    if lexer is None:
        return ()
    pieces = tuple(merged(lexed(lexer, code)))
    return pieces if "".join(text for _, text in pieces) == code else ()


def lexed(lexer: Lexer, code: str) -> Iterator[Piece]:
    """The pieces as the lexer finds them, as far as it comes in the time that a page has."""
    deadline = time.monotonic() + LONGEST_S
    for _, kind, text in lexer.get_tokens_unprocessed(code):
        if time.monotonic() > deadline:
            return
        line = text.rfind("\n") + 1 if text.isspace() else 0
        yield from ((kind_of(kind), part) for part in (text[:line], text[line:]) if part)


@lru_cache(maxsize=128)
def lexer_of(language: str) -> Lexer | None:
    if language not in LANGUAGES:
        return None
    try:
        return get_lexer_by_name(language)
    except ClassNotFound:
        return None


@lru_cache(maxsize=1024)
def kind_of(token: _TokenType) -> str:
    return next((kind for parent, kind in KINDS if token in parent), "")


def merged(pieces: Iterable[Piece]) -> Iterator[Piece]:
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
