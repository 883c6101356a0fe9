"""One line as a JSON object, strictly: what readers of JSON disagree about is refused."""

import json
import math
from typing import Any

from training.core.datasets.problems import RowError

NUMBER_SHOWN = 40


def parse_row(data: bytes) -> dict[str, Any]:
    """The object on a line. Raises RowError."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise RowError("encoding", f"byte {error.start + 1} is not UTF-8: save the file as UTF-8") from error
    try:
        row = json.loads(
            text, object_pairs_hook=without_repeats, parse_constant=no_constant, parse_float=finite
        )
    except json.JSONDecodeError as error:
        raise RowError("json", f"{error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise RowError("json", "its lists and objects are nested too deeply") from error
    except ValueError as error:  # a whole number of thousands of digits
        raise RowError("number", str(error)) from error
    if not isinstance(row, dict):
        raise RowError("json", f"it is {type_name(row)}, not an object")
    return row


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise RowError("repeated-key", f"the key {shown(repeated)} occurs twice in one object")
    return row


def no_constant(name: str) -> None:
    raise RowError("number", f"{name} is no JSON number")


def finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise RowError("number", f"{digits[:NUMBER_SHOWN]} is too large to be a number")
    return number


def type_name(value: Any) -> str:
    """What JSON calls it."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def shown(value: Any, longest: int = 60) -> str:
    """A value of the row in a message: quoted, on one line, cut."""
    text = json.dumps(value, ensure_ascii=True) if not isinstance(value, str) else ascii(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
