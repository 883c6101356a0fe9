"""The HTML of an answer that is still being written, what is lit so far included.

It is asked for again and again as the answer grows: only blocks whose text or paint changed are rendered
again, and an update of a long answer costs little more than one of a short one.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from django.urls import reverse

from playground.chat.answer_state import AnswerState, Span
from playground.core.blocks import Block, GrowingBlocks, References
from playground.core.markdown import CUTTER, render_block, within
from playground.core.rendering.paints import Paint
from playground.core.think_split import split_thinking
from playground.core.tools.hiding import without_calls
from playground.models import Message
from playground.traces.painting import FOUND, AnswerHtml
from tracing.core.documents.relevance import best_tier

CSS_CLASS = f"span span-{best_tier([])}"
"""How close the documents of a span are is known once the whole answer is."""


Place = tuple[int, int, str]
"""Characters [start, end) of a part that are lit, and the address of their documents."""


class LiveHtml:
    """Of one answer."""

    def __init__(self, message: Message) -> None:
        self._address = reverse("answer-trace-spans", args=[message.pk, 0, 0]).removesuffix("0-0/")
        self._hides_calls = bool(message.parameters.get("tools"))
        self._thinking, self._answer = LivePart(), LivePart()
        self._spans: set[Span] = set()
        self._lit: list[Span] = []

    def of(self, state: AnswerState) -> AnswerHtml:
        if state.spans is not self._spans:
            self._spans, self._lit = state.spans, merged(state.spans)
        parts = split_thinking(state.text, final=False)
        return AnswerHtml(
            thinking=self._part(self._thinking, state.text, parts.thinking),
            answer=self._part(self._answer, state.text, parts.answer),
            has_thinking=parts.thinking is not None,
            thinking_open=parts.thinking is not None and not parts.thinking_closed,
        )

    def _part(self, part: "LivePart", text: str, characters: tuple[int, int] | None) -> list[str]:
        if characters is None:
            return []
        start, end = characters
        shown, places = text[start:end], self._places(start, end)
        if self._hides_calls and part is self._answer:
            shown, paints = without_calls(shown, [paint_of(place) for place in places], final=False)
            places = [(paint.start, paint.end, paint.href) for paint in paints]
        return part.html(shown, places)

    def _places(self, begin: int, stop: int) -> list[Place]:
        """What is lit of the text's characters [begin, stop)."""
        return [
            (max(start, begin) - begin, min(end, stop) - begin, f"{self._address}{start}-{end}/")
            for start, end in self._lit
            if start < stop and end > begin
        ]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in text order, those that share characters as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def paint_of(place: Place) -> Paint:
    return Paint(*place, CSS_CLASS, FOUND)


class LivePart:
    """The thinking or the answer of a text that grows."""

    def __init__(self) -> None:
        self._blocks = GrowingBlocks(CUTTER)
        self._references: References = ()
        self._shown: list[Block] = []
        self._paints: dict[Place, Paint | None] = {}
        self._places: list[Place] = []
        self._starts: list[int] = []
        self._html: list[str] = []

    def html(self, text: str, places: list[Place]) -> list[str]:
        """HTML of each block of `text`; what is lit of it is apart and in order."""
        blocks, references = self._blocks.grow(text), self._blocks.references
        kept = self._kept(blocks) if references == self._references else 0
        changed = set(self._places).symmetric_difference(places)
        self._references, self._places, self._shown = references, places, blocks
        self._starts[kept:] = [block.start for block in blocks[kept:]]
        self._html[kept:] = [""] * (len(blocks) - kept)
        painted_anew = {number for place in changed for number in self._touched(place) if number < kept}
        for number in (*painted_anew, *range(kept, len(blocks))):
            self._html[number] = self._rendered(blocks[number])
        return list(self._html)

    def _kept(self, blocks: list[Block]) -> int:
        """So many of the first blocks are as they were, though those behind may still come to change them."""
        kept = self._blocks.unchanged
        for before, now in zip(self._shown[kept:], blocks[kept:], strict=False):
            if before != now:
                break
            kept += 1
        return kept

    def _touched(self, place: Place) -> range:
        """The blocks that a place reaches into."""
        first = bisect_right(self._starts, place[0]) - 1
        return range(max(first, 0), bisect_left(self._starts, place[1]))

    def _rendered(self, block: Block) -> str:
        first = bisect_left(self._places, (block.start,))
        lit = self._places[max(first - 1, 0) : bisect_left(self._places, (block.end,))]
        paints = (self._paint(block, place) for place in lit)
        return render_block(block.source, tuple(paint for paint in paints if paint), self._references)

    def _paint(self, block: Block, place: Place) -> Paint | None:
        """A place's paint in a block; of one that is wholly in it, and not at its end, found only once."""
        if place[0] < block.start or place[1] >= block.visible_end:
            return within(block, paint_of(place))
        known = self._paints.get(place)
        if known is None or known.start != place[0] - block.start:
            known = self._paints[place] = within(block, paint_of(place))
        return known
