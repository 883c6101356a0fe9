"""What a checkpoint saw at a step, and when it saw a document: exact, from the order of the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracing.core.errors import InputError, StoreMissing, Unanswered
from tracing.core.nodes.node_store import Reader
from tracing.core.text.tokenizer import TextTokenizer
from tracing.documents import tokenizer_of
from tracing.nodes.elsewhere import open_reader, unanswered_is_missing
from tracing.withholding.lookup import reasons_for
from training.core.order import Piece
from training.data_order import pieces_at, steps_of
from training.lineage import Lineage
from training.models import TrainedOn

ROWS = 20
SNIPPET_TOKENS = 80


@dataclass(frozen=True)
class Read:
    """A document of a step: which of its tokens were read, `ranges` of [start, end), and how it begins.

    A withheld document shows its reason and nothing else.
    """

    document: int
    ranges: list[tuple[int, int]]
    title: str = ""
    text: str = ""
    facts: list[tuple[str, str]] | None = None
    withheld: str = ""

    @property
    def tokens(self) -> int:
        return sum(end - start for start, end in self.ranges)


@dataclass(frozen=True)
class StepView:
    """A page of what one step read. Pages count from 1."""

    reading: TrainedOn
    step: int
    documents: int
    tokens: int
    rows: list[Read]
    page: int
    pages: int

    @property
    def last_step(self) -> int:
        return self.reading.checkpoint.step


@dataclass(frozen=True)
class Times:
    """When one stage read a document: the steps up to the checkpoint, and those after it was saved."""

    reading: TrainedOn
    steps: list[int]
    later: list[int]
    before: str | None
    after: str | None


def reading_of(lineage: Lineage, store_name: str) -> TrainedOn:
    """The last reading of a store of that name; without one, of the checkpoint's own stage. InputError."""
    if not lineage.readings:
        raise InputError("No token store is registered as this checkpoint's data: its order is not known.")
    if not store_name:
        own = [row for row in lineage.readings if row.checkpoint.pk == lineage.checkpoints[-1].pk]
        return (own or lineage.readings)[-1]
    named = [row for row in lineage.readings if row.store.name == store_name]
    if not named:
        known = ", ".join(store.name for store in lineage.stores)
        raise InputError(f"It was not trained on a store called {store_name[:100]!r}, but on {known}.")
    return named[-1]


def reading_at(lineage: Lineage, store_name: str, step: int) -> TrainedOn:
    """As `reading_of`; where none is named and the stage read several stores, the one that the step read."""
    otherwise = reading_of(lineage, store_name)
    own = [row for row in lineage.readings if row.checkpoint_id == otherwise.checkpoint_id]
    if store_name or len(own) < 2:
        return otherwise
    return next((row for row in own if is_read_at(row, step)), otherwise)


def is_read_at(reading: TrainedOn, step: int) -> bool:
    """Whether the step is known to have read of the store; a node that does not answer says nothing."""
    try:
        return bool(pieces_at(reading, step))
    except (StoreMissing, Unanswered):
        return False


def step_view(reading: TrainedOn, step: int, page: int = 1) -> StepView:
    """What the step trained on. Raises InputError for a step or page that there is not, StoreError."""
    last = reading.checkpoint.step
    if not 1 <= step <= last:
        raise InputError(f"There is no step {step:,}: {reading.checkpoint.name} has steps 1 to {last:,}.")
    with unanswered_is_missing(reading.store):
        pieces = pieces_at(reading, step)
    ranges = by_document(pieces)
    pages = max(1, -(-len(ranges) // ROWS))
    if not 1 <= page <= pages:
        raise InputError(f"There is no page {page:,}: step {step:,} fills {pages:,}.")
    chosen = list(ranges)[(page - 1) * ROWS : page * ROWS]
    rows = described(reading, {document: ranges[document] for document in chosen})
    tokens = sum(piece.length for piece in pieces)
    return StepView(reading, step, len(ranges), tokens, rows, page, pages)


def by_document(pieces: Sequence[Piece]) -> dict[int, list[tuple[int, int]]]:
    """The ranges of each document's tokens, documents and ranges ascending, adjoining ranges joined."""
    found: dict[int, list[tuple[int, int]]] = {}
    for piece in sorted(pieces, key=lambda piece: (piece.document, piece.start)):
        ranges, end = found.setdefault(piece.document, []), piece.start + piece.length
        if ranges and ranges[-1][1] == piece.start:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((piece.start, end))
    return found


def described(reading: TrainedOn, ranges: dict[int, list[tuple[int, int]]]) -> list[Read]:
    store, tokenizer = open_reader(reading.store), tokenizer_of(reading.store)
    reasons = reasons_for(reading.store.name, list(ranges))
    return [
        Read(document, found, withheld=reasons[document])
        if document in reasons
        else read(store, tokenizer, document, found)
        for document, found in ranges.items()
    ]


def read(store: Reader, tokenizer: TextTokenizer, document: int, ranges: list[tuple[int, int]]) -> Read:
    metadata = store.metadata(document)
    start, end = ranges[0]
    ids = store.token_ids(document)[start : min(end, start + SNIPPET_TOKENS)].tolist()
    text = tokenizer.decode(ids)[0] + ("…" if end - start > SNIPPET_TOKENS else "")
    title = str(metadata.get("title") or metadata.get("id") or "")
    return Read(document, ranges, title, text, facts_of(metadata))


FACTS = {
    "row": "row",
    "preference": "side",
    "reward": "reward",
    "advantage": "advantage",
    "group": "group",
    "engine": "written by",
}


def facts_of(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    """What post-training's documents say of themselves: the row, the reward, which side of a pair."""
    found = [(words, metadata[name]) for name, words in FACTS.items() if metadata.get(name) is not None]
    return [
        (words, f"{value:.3g}" if isinstance(value, float) else str(value)[:80]) for words, value in found
    ]


def document_times(lineage: Lineage, store_name: str, document: int) -> list[Times]:
    """Stage by stage when the lineage read a document of that store. Raises InputError, StoreError."""
    reading = reading_of(lineage, store_name)
    if not 0 <= document < reading.store.documents:
        most = reading.store.documents - 1
        raise InputError(f"There is no document {document:,}: {reading.store.name} has 0 to {most:,}.")
    rows = [row for row in lineage.readings if row.store_id == reading.store_id]
    with unanswered_is_missing(reading.store):
        return [times_of(lineage, row, document) for row in rows]


def times_of(lineage: Lineage, reading: TrainedOn, document: int) -> Times:
    steps, last = steps_of(reading, document), reading.checkpoint.step
    return Times(
        reading,
        [step for step in steps if step <= last],
        [step for step in steps if step > last],
        **lineage.around(reading, steps),
    )
