"""The characters that stand before and after a painted span while Markdown is parsed.

Both are private-use characters, which a text to be rendered never contains: letters to every parser.
"""

OPEN, CLOSE = "\ue000", "\ue001"
_STRIP = str.maketrans("", "", OPEN + CLOSE)


def strip_marks(text: str) -> str:
    return text.translate(_STRIP)


def marks_of(text: str) -> str:
    """The marks alone, in their order."""
    return "".join(character for character in text if character in (OPEN, CLOSE))


def around(html: str, marks: str) -> str:
    """What cannot be painted in part: whole, where a span begins in it, goes through it or ends in it."""
    head = marks[:1] if marks[:1] == OPEN else ""
    return head + html + marks[len(head) :]


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())
