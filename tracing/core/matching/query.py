"""A growing sequence of token ids, as the search kernels compare it."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import InputError
from tracing.core.stores.layout import TokenType
from tracing.core.text.token_ids import as_token_ids

NO_TOKEN = 1 << 40  # a key that no token has, for ids that a narrower store cannot hold


class Query:
    """Token ids to be found in stores of the token types `kinds`; `extend` appends more.

    InputError for ids that no store of these types can hold, the separator's value among them.
    """

    def __init__(self, kinds: Iterable[TokenType], token_ids: Sequence[int] | NDArray[Any] = ()) -> None:
        self.kinds = sorted(set(kinds), key=lambda kind: kind.width_bytes)
        self._keys = {kind: np.empty(64, dtype=np.int64) for kind in self.kinds}
        self._ids = np.empty(64, dtype=np.int64)
        self.size = 0
        self.extend(token_ids)

    def extend(self, token_ids: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
        """Append checked ids, and return them as int64."""
        ids = as_token_ids(token_ids)
        self._check(ids)
        self._ids = _grown(self._ids, self.size + ids.size)
        self._ids[self.size : self.size + ids.size] = ids
        for kind in self.kinds:
            self._keys[kind] = _grown(self._keys[kind], self.size + ids.size)
            self._keys[kind][self.size : self.size + ids.size] = _keys(ids, kind)
        self.size += ids.size
        return ids

    @property
    def token_ids(self) -> NDArray[np.int64]:
        """All ids, shape [tokens]."""
        return self._ids[: self.size]

    def keys(self, kind: TokenType) -> NDArray[np.int64]:
        """Each id as the number that its bytes spell read big-endian; shape [tokens]."""
        return self._keys[kind][: self.size]

    def _check(self, ids: NDArray[np.int64]) -> None:
        top = self.kinds[-1].separator
        if ids.size and (ids.min() < 0 or ids.max() > top):
            wrong = ids[(ids < 0) | (ids > top)][0]
            raise InputError(f"Token id {wrong} is outside 0..{top - 1}: use the model's own token ids.")
        for kind in self.kinds:
            if (ids == kind.separator).any():
                raise InputError(f"Token id {kind.separator} separates documents: it cannot be searched for.")


def _keys(ids: NDArray[np.int64], kind: TokenType) -> NDArray[np.int64]:
    keys = ids.astype(kind.numpy).view(kind.numpy.newbyteorder(">")).astype(np.int64)
    return np.where(ids < kind.separator, keys, NO_TOKEN)


def _grown(keys: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """`keys`, or a copy with room for `size`."""
    if size <= keys.size:
        return keys
    larger = np.empty(max(size, 2 * keys.size), dtype=np.int64)
    larger[: keys.size] = keys
    return larger
