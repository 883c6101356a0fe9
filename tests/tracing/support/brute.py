"""The definitions of spans and counts, spelled out over plain lists."""

from collections.abc import Sequence

from hypothesis import strategies as st

from tracing.core.stores.layout import TOKEN_TYPES

Documents = Sequence[Sequence[int]]


def occurrences(documents: Documents, span: Sequence[int]) -> int:
    """How often `span` occurs inside documents, overlaps counted."""
    span, size = list(span), len(span)
    return sum(
        list(document[start : start + size]) == span
        for document in documents
        for start in range(len(document) - size + 1)
    )


def longest_match(documents: Documents, query: Sequence[int]) -> int:
    """Length of the longest prefix of `query` that occurs inside a document."""
    return max(size for size in range(len(query) + 1) if size == 0 or occurrences(documents, query[:size]))


def maximal(documents: Documents, query: Sequence[int]) -> list[tuple[int, int]]:
    """The maximal spans, as design.md defines them."""
    lengths = [longest_match(documents, query[start:]) for start in range(len(query))]
    return [
        (start, start + length)
        for start, length in enumerate(lengths)
        if length > 0 and (start == 0 or start - 1 + lengths[start - 1] < start + length)
    ]


def suffixes(documents: Documents, kind: str) -> list[bytes]:
    """All suffixes of the store's bytes, in order."""
    width = TOKEN_TYPES[kind].width_bytes
    data = b"".join(
        b"\xff" * width + b"".join(token.to_bytes(width, "little") for token in document)
        for document in documents
    )
    return sorted(data[start:] for start in range(0, len(data), width))


@st.composite
def corpora(draw: st.DrawFn) -> tuple[str, list[list[int]], list[int]]:
    """A token type, documents (empty and one-token ones among them, with repeats), and a query like them."""
    kind = draw(st.sampled_from(["u8", "u16", "u32"]))
    top = TOKEN_TYPES[kind].separator - 1
    special = st.sampled_from(
        sorted({0, 1, 254, min(top, 255), min(top, 256), min(top, 65534), top - 1, top})
    )
    token = draw(st.sampled_from([st.integers(1, 2), st.integers(1, 4), special]))
    documents = draw(st.lists(st.lists(token, max_size=12), min_size=1, max_size=6))
    documents += [
        documents[number] for number in draw(st.lists(st.integers(0, len(documents) - 1), max_size=2))
    ]
    parts = draw(st.lists(st.one_of(st.sampled_from(documents), st.lists(token, max_size=6)), max_size=4))
    return kind, documents, [token for part in parts for token in part]
