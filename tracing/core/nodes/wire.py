"""Questions and answers between machines: JSON, in which an array is its type, shape and bytes in base64."""

import base64
import json
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ARRAY: Final = "array"
TYPES: Final = frozenset({"<i8", "<f8", "|u1", "<u2", "<u4"})


def encode(value: Any) -> str:
    """The text of a value made of dicts, lists, tuples, numbers, strings and arrays."""
    return json.dumps(value, separators=(",", ":"), default=_encode_array)


def decode(text: str | bytes) -> Any:
    """The value; tuples have become lists. ValueError for what `encode` does not write."""
    return json.loads(text, object_hook=_decode_array)


def _encode_array(value: Any) -> dict[str, Any]:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{type(value).__name__} cannot be sent to another machine")
    data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
    return {ARRAY: value.dtype.str, "shape": list(value.shape), "data": data}


def _decode_array(fields: dict[str, Any]) -> Any:
    if fields.keys() != {ARRAY, "shape", "data"}:
        return fields
    if fields[ARRAY] not in TYPES:
        raise ValueError(f"an array of {fields[ARRAY]!r}")
    found: NDArray[Any] = np.frombuffer(base64.b64decode(fields["data"]), dtype=fields[ARRAY])
    return found.reshape(fields["shape"])
