"""Token ids as callers hand them over."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracing.core.errors import InputError


def as_token_ids(token_ids: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
    """The ids as an int64 array, shape [tokens]; InputError for anything but whole numbers in one row."""
    try:
        ids = np.asarray(token_ids)
    except (ValueError, OverflowError) as error:
        raise InputError(f"Token ids must be a flat list of whole numbers ({error}).") from error
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise InputError("Token ids must be a flat list of whole numbers.")
    if ids.dtype.kind == "u" and ids.size and int(ids.max()) > np.iinfo(np.int64).max:
        raise InputError(f"Token id {ids.max()} is larger than any vocabulary.")
    return ids.astype(np.int64, copy=ids is token_ids)
