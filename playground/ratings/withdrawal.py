"""Hiding the documents that were made of chats whose owners took their consent back."""

from bisect import bisect_left
from collections.abc import Sequence

from accounts.audit import Actor
from playground.ratings.models import RatedRow
from tracing.models import Store
from tracing.nodes.elsewhere import open_reader
from tracing.withholding.acts import take_down

NOTE = "The owner of the chat took back their consent."


def hide_rows(rows: Sequence[RatedRow], *, by: Actor) -> int:
    """Take down the documents of these rows in every store that was made of their data sets; says how many.

    Raises StoreError where such a store cannot be read.
    """
    hidden = 0
    for row in rows:
        for store in stores_of(row):
            hidden += len(take_down(store=store, documents=documents_of(row, store), note=NOTE, by=by))
    return hidden


def stores_of(row: RatedRow) -> Sequence[Store]:
    """By their names, which say the data set: its own row may be gone, and the stores stay."""
    return list(Store.objects.filter(name__startswith=f"data-{row.dataset.hex[:16]}-"))


def documents_of(row: RatedRow, store: Store) -> list[int]:
    """The numbers of the row's documents, which stand in the order of the rows: two of a preference."""
    reader = open_reader(store)

    def line(number: int) -> int:
        return int(reader.metadata(number)["row"])

    first = bisect_left(range(store.documents), row.line, key=line)
    after = range(first, min(first + 2, store.documents))
    return [number for number in after if line(number) == row.line]
