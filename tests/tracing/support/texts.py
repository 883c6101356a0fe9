"""Texts that repeat, with every kind of end: for the tests of spans and live traces."""

from hypothesis import strategies as st

from tests.tracing.support.stores import text_tokenizer

FRAGMENTS = [
    *(
        "ones: 7 + 8 = 15.",
        " carry 1.",
        " tens: 2 + 3",
        " so 85.",
        "\n",
        "\n\n    ",
        " ",
        "a",
        "b",
        "'",
        '"',
        ")",
        "_",
    ),
    *(
        "Join two",
        " or more",
        " pathname",
        " components,",
        " as needed.",
        "?!",
        "...",
        " é",
        "日本",
        "。",
        "😀",
        "\t",
    ),
    *("<|im_end|>", "<|im_start|>", "</think>", "x1", " the cat", ".", " e\u0301", "\u2003"),
]


def token_ids(pieces: list[str | int]) -> list[int]:
    """Ids of a text given as fragments, among them ids that may be half a character."""
    tokenizer, ids = text_tokenizer(), []
    for piece in pieces:
        ids += [piece] if isinstance(piece, int) else tokenizer.encode(piece)[0]
    return ids


def texts(max_size: int) -> st.SearchStrategy[list[int]]:
    """Ids of texts of up to `max_size` fragments."""
    stray = st.integers(0, text_tokenizer().vocab_size - 1)
    fragment = st.one_of(*[st.sampled_from(FRAGMENTS)] * 8, stray)
    return st.lists(fragment, max_size=max_size).map(token_ids)
