"""Log-probabilities in the forms of OpenAI's API: of a chat's answer, and of a text's completion."""

from collections.abc import Iterable, Sequence
from typing import Any

from playground.completions import TokenLogprob
from tracing.core.text.tokenizer import TextTokenizer


def chat_rows(rows: Iterable[TokenLogprob], tokenizer: TextTokenizer, most: int) -> list[dict[str, Any]]:
    """Every token's, thinking included, with at most `most` of the likeliest at its place."""
    return [
        chat_row(tokenizer, row.token_id, row.logprob)
        | {"top_logprobs": [chat_row(tokenizer, *pair) for pair in row.top[:most]]}
        for row in rows
    ]


def chat_row(tokenizer: TextTokenizer, token_id: int, logprob: float | None) -> dict[str, Any]:
    [piece] = tokenizer.pieces([token_id])
    return {"token": piece.decode(errors="replace"), "logprob": logprob, "bytes": list(piece)}


def text_rows(
    rows: Sequence[TokenLogprob], tokenizer: TextTokenizer, offset: int, *, tops: bool
) -> dict[str, Any]:
    """Tokens with their first characters' places in the text, the first token at `offset`.

    A token that ends inside a character is written as its bytes, and stands where that character will.
    """
    tokens = [token_text(tokenizer, row.token_id) for row in rows]
    _, places = tokenizer.decode([row.token_id for row in rows])
    top = [{token_text(tokenizer, i): logprob for i, logprob in reversed(row.top)} or None for row in rows]
    return {
        "tokens": tokens,
        "token_logprobs": [row.logprob for row in rows],
        "top_logprobs": top if tops else None,
        "text_offset": [offset + start for start, _ in places],
    }


def token_text(tokenizer: TextTokenizer, token_id: int) -> str:
    [piece] = tokenizer.pieces([token_id])
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)
