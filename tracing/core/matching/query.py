"""A growing sequence of token ids, as the search kernels compare it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tracing.core.arrays import Bytes, Longs
from tracing.core.errors import InputError
from tracing.core.stores.layout import TokenType
from tracing.core.text.token_ids import as_token_ids

Made = TypeVar("Made")

MET_NUMBERS = 3  # what kernels.extend_reaches notes of a token
MET_TOKENS_MAX = 1 << 16
NOTHING_MET = np.empty((0, MET_NUMBERS), dtype=np.int64)


class Query:
    """Token ids to be found in stores of the token types `kinds`; `extend` appends more.

    InputError for ids that no store of these types can hold, the separator's value among them.
    """

    def __init__(self, kinds: Iterable[TokenType], token_ids: Sequence[int] | NDArray[Any] = ()) -> None:
        self.kinds = sorted(set(kinds), key=lambda kind: kind.width_bytes)
        self._texts = {kind: np.empty(0, dtype=kind.numpy) for kind in self.kinds}
        self._gaps: dict[TokenType, list[int]] = {kind: [] for kind in self.kinds}
        self._ids = np.empty(0, dtype=np.int64)
        self._met: dict[object, Longs] = {}
        self._kept: dict[object, Any] = {}
        self.size = 0
        self.extend(token_ids)

    def extend(self, token_ids: Sequence[int] | NDArray[Any]) -> Longs:
        """Append checked ids, and return them as int64."""
        ids = as_token_ids(token_ids)
        self._check(ids)
        self._met.clear()
        self._kept.clear()
        self._ids = _with(self._ids, self.size, ids)
        for kind in self.kinds:
            self._texts[kind] = _with(self._texts[kind], self.size, ids)
            if kind is not self.kinds[-1]:
                self._gaps[kind] += (np.flatnonzero(ids > kind.separator) + self.size).tolist()
        self.size += ids.size
        return ids

    @property
    def token_ids(self) -> Longs:
        """All ids, shape [tokens]."""
        return self._ids[: self.size]

    def text(self, kind: TokenType) -> Bytes:
        """The ids as a store of this type holds them, shape [bytes]; those at `gaps` are none of its ids."""
        text: Bytes = self._texts[kind][: self.size].view(np.uint8)
        text.flags.writeable = False
        return text

    def gaps(self, kind: TokenType) -> Longs:
        """Places of the ids that this type cannot hold, in order."""
        return np.array(self._gaps[kind], dtype=np.int64)

    def kept(self, engine: object, make: Callable[[Self], Made]) -> Made:
        """What an engine made of the query since the ids were last extended; made now if it has not."""
        if engine not in self._kept:
            self._kept[engine] = make(self)
        return cast("Made", self._kept[engine])

    def meet(self, searched: object, begin: int, end: int) -> Longs:
        """Room for what a search of the ids begin..end in `searched` meets, shape [ids, MET_NUMBERS]; unless
        the text is very long, `met` tells later searches of it."""
        if self.size > MET_TOKENS_MAX:
            return np.full((end - begin, MET_NUMBERS), -1, dtype=np.int64)
        if searched not in self._met:
            self._met[searched] = np.full((self.size, MET_NUMBERS), -1, dtype=np.int64)
        return self._met[searched][begin:end]

    def met(self, searched: object) -> Longs:
        """What was met in `searched` since the ids were last extended."""
        return self._met.get(searched, NOTHING_MET)

    def _check(self, ids: Longs) -> None:
        top = self.kinds[-1].separator
        if not ids.size:
            return
        largest = ids.view(np.uint64).max()  # negative ones are larger than all others so
        if largest > top:
            wrong = ids[(ids < 0) | (ids > top)][0]
            raise InputError(f"Token id {wrong} is outside 0..{top - 1}: use the model's own token ids.")
        for kind in self.kinds:
            if largest >= kind.separator and (ids == kind.separator).any():
                raise InputError(f"Token id {kind.separator} separates documents: it cannot be searched for.")


def _with(kept: NDArray[Any], size: int, ids: Longs) -> NDArray[Any]:
    """The first `size` of `kept`, then `ids`: in place, or in a larger copy."""
    if not size:
        return ids.astype(kept.dtype)
    if size + ids.size > kept.size:
        larger = np.empty(max(size + ids.size, 2 * kept.size), dtype=kept.dtype)
        larger[:size] = kept[:size]
        kept = larger
    kept[size : size + ids.size] = ids
    return kept
