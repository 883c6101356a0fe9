"""The bytes that each token stands for, by the way that a tokenizer's decoder writes tokens."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from tracing.core.errors import StoreMismatch
from tracing.core.text.alphabet import byte_alphabet

Write = Callable[[str], bytes]
"""The bytes of a token, given as it stands in the vocabulary."""

BYTES: Final = {character: byte for byte, character in byte_alphabet().items()}
BYTE_TOKEN: Final = re.compile("<0x([0-9A-Fa-f]{2})>")
NO_SPACE_BEFORE: Final = frozenset(".?!,")
"""Before these WordPiece's clean-up leaves the space out. Its contractions are more than one token."""

PROBED: Final = 512
PROBE: Final = "One, two: it's 3 o'clock. Été 日本 😀\n  x_y = [1]\n"


def token_bytes(tokenizer: Tokenizer, decoder: Mapping[str, Any] | None, origin: Path) -> list[bytes]:
    """The bytes of every id up to the largest; ids without a token have none.

    Joined, they are the text that the tokenizer's decoder gives, but for a space at its start or end that
    the decoder takes away: the tokens of a passage do not know that they are the first or last. Raises
    StoreMismatch for a decoder whose text is not made token by token.
    """
    write = _writer(decoder)
    if write is None:
        raise StoreMismatch(
            f"{origin} decodes by {_names(decoder)}: tracing needs a decoder that writes token by token "
            "(byte-level, SentencePiece with or without byte fallback, WordPiece, BPE with word ends)."
        )
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    pieces = [b""] * (max(vocabulary.values(), default=-1) + 1)
    added = tokenizer.get_added_tokens_decoder()
    for token, number in vocabulary.items():
        pieces[number] = token.encode() if number in added else write(token)
    if _steps(decoder)[0].get("type") not in ("WordPiece", None):  # whose clean-up looks at neighbours
        _check(tokenizer, pieces, set(added), origin)
    return pieces


def _writer(decoder: Mapping[str, Any] | None) -> Write | None:
    """How the decoder writes one token; None where it depends on others."""
    steps = _steps(decoder)
    kinds = [step.get("type") for step in steps]
    if kinds == [None]:
        return lambda token: f" {token}".encode()  # without a decoder, tokens are words
    if "ByteLevel" in kinds and set(kinds) <= {"ByteLevel", "Fuse"}:
        return _byte_level
    if kinds == ["WordPiece"]:
        return _word_piece(str(steps[0]["prefix"]), cleanup=bool(steps[0]["cleanup"]))
    if kinds == ["BPEDecoder"]:
        suffix = str(steps[0]["suffix"])
        return lambda token: token.replace(suffix, " ").encode()
    return _sentence_piece(steps)


def _byte_level(token: str) -> bytes:
    return bytes(BYTES[c] for c in token) if all(c in BYTES for c in token) else token.encode()


def _word_piece(prefix: str, *, cleanup: bool) -> Write:
    def write(token: str) -> bytes:
        if token.startswith(prefix):
            return token.removeprefix(prefix).encode()
        return (token if cleanup and token in NO_SPACE_BEFORE else f" {token}").encode()

    return write


def _sentence_piece(steps: Sequence[Mapping[str, Any]]) -> Write | None:
    """Replacements, bytes written as <0x0A>, and a space that is stripped at the start of a text."""
    replaced: list[tuple[str, str]] = []
    in_bytes = False
    for step in steps:
        if step["type"] == "Metaspace":
            replaced.append((str(step["replacement"]), " "))
        elif step["type"] == "Replace" and "String" in step["pattern"]:
            replaced.append((str(step["pattern"]["String"]), str(step["content"])))
        elif step["type"] == "ByteFallback":
            in_bytes = True
        elif step["type"] != "Fuse" and not (step["type"] == "Strip" and not step["stop"]):
            return None
    if not replaced and not in_bytes:
        return None

    def write(token: str) -> bytes:
        if in_bytes and (found := BYTE_TOKEN.fullmatch(token)):
            return bytes.fromhex(found[1])
        for old, new in replaced:
            token = token.replace(old, new)
        return token.encode()

    return write


def _check(tokenizer: Tokenizer, pieces: Sequence[bytes], added: set[int], origin: Path) -> None:
    """StoreMismatch unless the pieces, joined, are what the tokenizer itself decodes."""
    single = [n for n, piece in enumerate(pieces) if n not in added and _is_text(piece)][:PROBED]
    for ids in (single, tokenizer.encode(PROBE, add_special_tokens=False).ids):
        ours = b"".join(pieces[n] for n in ids).decode("utf-8", "replace")
        theirs = tokenizer.decode(ids, skip_special_tokens=False)
        if theirs not in (ours, ours.removeprefix(" "), ours.removesuffix(" ")):
            raise StoreMismatch(
                f"{origin} decodes in a way that tracing does not know ({theirs[:40]!r}, not {ours[:40]!r}): "
                "use a tokenizer whose text is that of its tokens, one after the other."
            )


def _is_text(piece: bytes) -> bool:
    try:
        return bool(piece.decode())
    except UnicodeDecodeError:
        return False


def _steps(decoder: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The decoder, or those in its sequence; [{}] for none."""
    if decoder and decoder["type"] == "Sequence":
        return list(decoder["decoders"]) or [{}]
    return [decoder or {}]


def _names(decoder: Mapping[str, Any] | None) -> str:
    return ", ".join(str(step.get("type")) for step in _steps(decoder))
