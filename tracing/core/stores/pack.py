"""Packs: small stores of one stage copied into one, which is searched in their place.

A model that was fine-tuned often is a long list of small stores, and every store costs each search a
suffix array of its own. A pack holds the same documents in the same order under one suffix array, so
spans and counts stay as they are; only the stores themselves are shown, never a pack.
"""

import bisect
import hashlib
import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple

from tracing.core.errors import StoreMismatch
from tracing.core.stores.manifest import Manifest
from tracing.core.stores.store import TokenStore

PACK_STORES: Final = 8
SMALL_BYTES: Final = 64 << 20
"""Of tokenized.N in all shards: copying and sorting eight of these takes about a minute, once."""


class Origin(NamedTuple):
    """A document where it came from: the store, and its number there."""

    store: TokenStore
    document: int


class Pack:
    """An open pack and the stores that it stands for, in its order. StoreMismatch if it is not theirs."""

    def __init__(self, store: TokenStore, parts: Sequence[TokenStore]) -> None:
        if packed_digests(store.manifest) != [part.manifest.digest for part in parts]:
            raise StoreMismatch(f"{store.path} is not a pack of these {len(parts)} stores: remove it.")
        self.store, self.parts = store, tuple(parts)

    def origin(self, document: int) -> Origin:
        """Where document `document` of the pack came from."""
        number = bisect.bisect_right(self._firsts, document) - 1
        return Origin(self.parts[number], document - self._firsts[number])

    def firsts(self) -> list[tuple[TokenStore, int]]:
        """Each part, and the number of its first document in the pack."""
        return list(zip(self.parts, self._firsts, strict=True))

    @cached_property
    def _firsts(self) -> list[int]:
        """Number of each part's first document in the pack."""
        return list(itertools.accumulate((part.documents for part in self.parts[:-1]), initial=0))


def plan_packs(manifests: Sequence[Manifest]) -> list[list[int]]:
    """Which of these stores, by their places in the list, belong together in packs.

    Every full eight small stores of one stage, token type and tokenizer, in order: the packs of a list
    stay the same when stores are added at its end, and models that share ancestors share their packs.
    """
    groups: dict[tuple[str, str, str], list[int]] = {}
    for place, manifest in enumerate(manifests):
        if _tokenized_bytes(manifest) <= SMALL_BYTES:
            groups.setdefault((manifest.stage, manifest.dtype, manifest.tokenizer), []).append(place)
    return [
        places[first : first + PACK_STORES]
        for places in groups.values()
        for first in range(0, len(places) - PACK_STORES + 1, PACK_STORES)
    ]


def pack_name(manifests: Sequence[Manifest]) -> str:
    """The directory name of the pack of these stores: equal for equal stores in equal order only."""
    digests = "\n".join(manifest.digest for manifest in manifests)
    return hashlib.sha256(digests.encode()).hexdigest()[:32]


def packed_digests(manifest: Manifest) -> list[str]:
    """Digests of the stores in a pack; none for a store that is no pack."""
    return list(manifest.generator.get("packed", []))


def _tokenized_bytes(manifest: Manifest) -> int:
    return (manifest.tokens + manifest.documents) * manifest.token_type.width_bytes
