"""Encoding whole corpora: the tokenizer's own ids at several times its speed, where that can be exact."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import regex
from tokenizers import Tokenizer

from tracing.core.errors import InputError
from tracing.core.stores.layout import TokenType
from tracing.core.text.alphabet import byte_alphabet

GPT2_PATTERN: Final = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
DIGITS: Final = {True: r"\p{N}|[^\p{N}]+", False: r"\p{N}+|[^\p{N}]+"}

READ_ALIKE: Final = re.compile(
    r"(?:\\p\{[LN]\}|\\[srnSb]|\[\^?|\]|\(\?:|\(\?i:|\(\?!|\)|\||\{\d+(?:,\d*)?\}(?![?+*])|[?+*](?![?+*])"
    r"|[ '\w,.\n\r-])*"
)
"""Patterns made of these mean the same to Python's `regex` as to the Oniguruma of `tokenizers`."""

PLAIN: Final = re.compile(
    "[\x00-\x7f\u00a0-\u017e\u0180-\u0557\u0600-\u06ff\u1e00-\u1fff\u2000-\u206f\u20a0-\u20bf\u2100-\u2129"
    "\u212b-\u214f\u2190-\u27bf\u3000-\u30ff\u3400-\u9fa5\uac00-\ud7a3\uff00-\uffef\U0001f300-\U0001faff]*"
)
"""Text in which both find the same letters, digits and white space. Newer characters, of which one
Unicode version knows more than another, and those that fold to ASCII (\u017f and \u212a) are left out."""

PIECES_MAX: Final = 1 << 17  # some 30 MB
PIECE_LENGTH_MAX: Final = 64

Split = Callable[[str], list[str]]


class BulkEncoder:
    """Texts to the bytes of their ids, exactly as `tokenizer_json` encodes them, without special tokens.

    Byte-level BPE encodes the pieces that a pattern cuts one by one, and pieces repeat: their ids are
    kept. Texts and tokenizers of which it is not certain that the pattern is read alike go through
    `tokenizers` itself.
    """

    def __init__(self, tokenizer_json: bytes, kind: TokenType) -> None:
        self._tokenizer, self._kind = Tokenizer.from_str(tokenizer_json.decode()), kind
        self._plan = _Plan.of(json.loads(tokenizer_json))
        self._pieces = _Pieces(self._tokenizer.model, kind)

    def encode(self, texts: Sequence[str]) -> list[bytes | InputError]:
        """The ids of each text as they lie on disk; or the error of one that is no text."""
        found = [self._in_pieces(text) for text in texts]
        self._pieces.shrink()
        rest = [number for number, data in enumerate(found) if data is None]
        for number, data in zip(rest, self._plainly([texts[n] for n in rest]), strict=True):
            found[number] = data
        return [data for data in found if data is not None]

    def _in_pieces(self, text: str) -> bytes | InputError | None:
        pieces = self._plan.pieces(text) if self._plan else None
        return None if pieces is None else b"".join(map(self._pieces.__getitem__, pieces))

    def _plainly(self, texts: list[str]) -> list[bytes | InputError]:
        wrong = {n: error for n, text in enumerate(texts) if (error := _surrogate(text))}
        whole = [text for n, text in enumerate(texts) if n not in wrong]
        encodings = iter(self._tokenizer.encode_batch_fast(whole, add_special_tokens=False))
        return [wrong[n] if n in wrong else self._data(next(encodings).ids) for n in range(len(texts))]

    def _data(self, ids: list[int]) -> bytes:
        return np.array(ids, dtype=self._kind.numpy).tobytes()


class _Plan:
    """How a text falls into pieces, and which texts it can be told of."""

    def __init__(self, patterns: list[str], apart: re.Pattern[str] | None, *, ascii_only: bool) -> None:
        self._steps: list[Split] = [regex.compile(pattern).findall for pattern in patterns]
        self._ascii_steps: list[Split] = [re.compile(_in_ascii(p), re.ASCII).findall for p in patterns]
        self._apart, self._ascii_only = apart, ascii_only

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "_Plan | None":
        """The plan of a tokenizer.json; None where the pieces cannot be known for certain."""
        patterns = _patterns(fields.get("pre_tokenizer"))
        model, normalizer = fields["model"], fields.get("normalizer")
        plain_model = model["type"] == "BPE" and not any(
            model.get(name)
            for name in ("dropout", "byte_fallback", "continuing_subword_prefix", "end_of_word_suffix")
        )
        composing = normalizer == {"type": "NFC"}
        if patterns is None or not plain_model or not (normalizer is None or composing):
            return None
        added = [token["content"] for token in fields.get("added_tokens", [])]
        apart = re.compile("|".join(map(re.escape, added))) if added else None
        ascii_only = composing or any(r"\b" in pattern for pattern in patterns)
        return cls(patterns, apart, ascii_only=ascii_only)

    def pieces(self, text: str) -> list[str] | None:
        """The pieces of `text`, or None where only the tokenizer itself knows them."""
        known = text.isascii() or (not self._ascii_only and PLAIN.fullmatch(text))
        if not known or (self._apart and self._apart.search(text)):
            return None
        pieces = [text]
        for split in self._ascii_steps if text.isascii() else self._steps:
            pieces = split(pieces[0]) if len(pieces) == 1 else [p for part in pieces for p in split(part)]
        return pieces if sum(map(len, pieces)) == len(text) else None  # some characters match nothing


class _Pieces(dict[str, bytes]):
    """The ids of each piece seen, as bytes."""

    def __init__(self, model: Any, kind: TokenType) -> None:
        super().__init__()
        self._model, self._kind, self._alphabet = model, kind, byte_alphabet()

    def __missing__(self, piece: str) -> bytes:
        written = "".join([self._alphabet[byte] for byte in piece.encode()])
        ids = [token.id for token in self._model.tokenize(written)]
        data = np.array(ids, dtype=self._kind.numpy).tobytes()
        if len(piece) <= PIECE_LENGTH_MAX:
            self[piece] = data
        return data

    def shrink(self) -> None:
        if len(self) > PIECES_MAX:
            self.clear()


def _patterns(pre_tokenizer: dict[str, Any] | None) -> list[str] | None:
    """The patterns that cut a text one after the other, byte-level at the end; None for any other way."""
    steps = (pre_tokenizer or {}).get("pretokenizers", [pre_tokenizer])
    if not steps[-1] or steps[-1]["type"] != "ByteLevel" or steps[-1]["add_prefix_space"]:
        return None
    patterns = [_pattern(step) for step in steps]
    known = [pattern for pattern in patterns if pattern]
    return known if len(known) == len(patterns) - (not steps[-1]["use_regex"]) else None


def _pattern(step: dict[str, Any]) -> str | None:
    if step["type"] == "ByteLevel":
        return GPT2_PATTERN if step["use_regex"] else None
    if step["type"] == "Digits":
        return DIGITS[step["individual_digits"]]
    if step["type"] == "Split" and step["behavior"] == "Isolated" and not step["invert"]:
        pattern = step["pattern"].get("Regex", "")
        return str(pattern) if READ_ALIKE.fullmatch(pattern) else None
    return None


def _in_ascii(pattern: str) -> str:
    """The pattern for text of ASCII alone, which Python's `re` reads twice as fast."""
    classes = re.split(r"(\[\^?[^\]]*\])", pattern)  # every second part is a class in brackets
    bare = [
        part.replace(r"\p{L}", "A-Za-z").replace(r"\p{N}", "0-9")
        if number % 2
        else part.replace(r"\p{L}", "[A-Za-z]").replace(r"\p{N}", "[0-9]")
        for number, part in enumerate(classes)
    ]
    return "".join(bare)


def _surrogate(text: str) -> InputError | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return InputError(f"the text holds half a surrogate pair at character {error.start}")
    return None
