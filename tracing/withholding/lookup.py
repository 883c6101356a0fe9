"""Is a document withheld? The one question that every page, API, trace and search asks before it shows one.

What is withheld is kept in this process as sorted arrays, a pair for each build of a store, and a version
number in the database says when to read again: an act of any process is seen by the next question of all.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from tracing.withholding.models import Reason, StoreVersion, Withholding

GRAVEST_FIRST = [str(reason) for reason in Reason.values]
RELOAD_ALL_FROM = 5_000  # changed documents, above which the whole store is read again
AT_ONCE = 500  # documents asked for in one query


class DocumentWithheld(Exception):
    """A document was asked for that must not be shown; `reason` says why."""

    def __init__(self, store_name: str, document: int, reason: str) -> None:
        super().__init__(f"Document {document} of {store_name} is withheld: {reason}.")
        self.reason = reason


@dataclass(frozen=True)
class StoreWithholdings:
    """What is withheld of one build of a store: sorted numbers and, for each, its place in GRAVEST_FIRST."""

    version: int
    documents: NDArray[np.int64]
    reasons: NDArray[np.uint8]

    def reasons_for(self, documents: Sequence[int]) -> dict[int, str]:
        """The reasons of those of `documents` that are withheld."""
        if not self.documents.size or not len(documents):
            return {}
        asked = np.asarray(documents, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.documents, asked), self.documents.size - 1)
        hits = np.flatnonzero(self.documents[places] == asked)
        reasons = self.reasons[places[hits]].tolist()
        return {n: GRAVEST_FIRST[r] for n, r in zip(asked[hits].tolist(), reasons, strict=True)}


_kept: dict[tuple[str, str], StoreWithholdings] = {}
_lock = threading.Lock()


def reasons_for(store_name: str, documents: Sequence[int], digest: str | None = None) -> dict[int, str]:
    """Why each of these documents is withheld now; those that may be shown are left out.

    `documents` are numbers in the store, of the build that the site has now, or of the one with this
    manifest `digest`, as a trace that was kept names it.
    """
    row = StoreVersion.objects.filter(store_name=store_name).values_list("digest", "version").first()
    if row is None:
        return {}
    present, version = row
    return withholdings_of(store_name, digest or present, version).reasons_for(documents)


class WithheldNow:
    """`reasons_for` for one trace or page: asks the database once for all stores, then only looks up."""

    def __init__(self) -> None:
        self._versions: dict[str, tuple[str, int]] | None = None

    def __call__(
        self, store_name: str, documents: Sequence[int], digest: str | None = None
    ) -> Mapping[int, str]:
        if self._versions is None:
            rows = StoreVersion.objects.values_list("store_name", "digest", "version")
            self._versions = {name: (present, version) for name, present, version in rows}
        if store_name not in self._versions:
            return {}
        present, version = self._versions[store_name]
        return withholdings_of(store_name, digest or present, version).reasons_for(documents)


def withholdings_of(store_name: str, digest: str, version: int) -> StoreWithholdings:
    """What is withheld of this build at this version, from this process's memory where it is up to date."""
    key = (store_name, digest)
    known = _kept.get(key)
    if known is not None and known.version == version:
        return known
    with _lock:
        known = _kept.get(key)
        if known is None or known.version != version:
            known = brought_up_to_date(key, known, version)
            if not connection.in_atomic_block:  # what is not committed yet may never be
                _kept[key] = known
    return known


def brought_up_to_date(
    key: tuple[str, str], known: StoreWithholdings | None, version: int
) -> StoreWithholdings:
    """The build's withholdings at `version`: what changed since `known`, or all of them."""
    rows = Withholding.objects.filter(store_name=key[0], digest=key[1])
    if known is None or known.version > version:
        return load(rows.in_force().values_list("document", "reason"), version)
    changed = rows.filter(version__gt=known.version).values_list("document", flat=True).distinct()
    numbers = sorted(changed[: RELOAD_ALL_FROM + 1])
    if len(numbers) > RELOAD_ALL_FROM:
        return load(rows.in_force().values_list("document", "reason"), version)
    pairs: list[tuple[int, str]] = []
    for first in range(0, len(numbers), AT_ONCE):
        some = rows.in_force().filter(document__in=numbers[first : first + AT_ONCE])
        pairs += some.values_list("document", "reason")
    return merged(known, np.array(numbers, dtype=np.int64), load(pairs, version))


def load(pairs: Iterable[tuple[int, str]], version: int) -> StoreWithholdings:
    """Sorted arrays of (document, reason), the gravest reason of each document kept."""
    known = [(document, GRAVEST_FIRST.index(reason)) for document, reason in pairs]
    found = np.array(known, dtype=np.int64).reshape(-1, 2)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    documents, first = np.unique(found[:, 0], return_index=True)
    return StoreWithholdings(version, documents, found[first, 1].astype(np.uint8))


def merged(known: StoreWithholdings, changed: NDArray[np.int64], new: StoreWithholdings) -> StoreWithholdings:
    """`known` with what it says of the `changed` documents replaced by `new`."""
    stays = ~np.isin(known.documents, changed)
    documents = np.concatenate([known.documents[stays], new.documents])
    reasons = np.concatenate([known.reasons[stays], new.reasons])
    order = np.argsort(documents, kind="stable")
    return StoreWithholdings(new.version, documents[order], reasons[order])
