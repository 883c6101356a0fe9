"""Building a frozen dataclass from a table that a person wrote, with every value checked and every refusal
explained."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from training.core.errors import RecipeError

T = TypeVar("T")


@dataclass(frozen=True)
class Between:
    """Bounds of a number, or of a text's length, both ends included."""

    low: float
    high: float


def build(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """An object of the dataclass `kind` from `table`. `where` names the table in messages.

    Raises RecipeError for an unknown or missing key, a value of another type, out of bounds, or not a
    number."""
    if not isinstance(table, Mapping):
        raise RecipeError(f"{where} is {table!r}: it has to be a table of settings")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise RecipeError(f"{where} has no setting {key!r}{_nearest(key, known)}")
    hints = get_type_hints(kind, include_extras=True)
    for name, field in known.items():
        if name not in table and _is_required(field):
            raise RecipeError(f"{where} needs a setting {name!r} and has none")
    return kind(**{key: check(hints[key], value, f"{where}.{key}") for key, value in table.items()})


def check(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type that `hint` asks for. Raises RecipeError."""
    if is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, where)
    if get_origin(hint) is Annotated:
        return _bounded(check(get_args(hint)[0], value, where), get_args(hint)[1], where)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise RecipeError(f"{where} is {value!r}: choose one of {', '.join(map(repr, get_args(hint)))}")
        return value
    if get_origin(hint) is UnionType:
        return None if value is None else check(get_args(hint)[0], value, where)
    if get_origin(hint) is tuple and is_dataclass(get_args(hint)[0]):
        return _tables(get_args(hint)[0], value, where)
    if get_origin(hint) is tuple:
        return _texts(value, where)
    return _scalar(hint, value, where)


def _scalar(kind: type, value: Any, where: str) -> Any:
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise RecipeError(f"{where} is {value!r}: it has to be {_spoken(kind)}")
    return kind(value)


def _tables(kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise RecipeError(f"{where} is {value!r}: it has to be a list of tables of settings")
    return tuple(build(kind, table, f"{where}[{place}]") for place, table in enumerate(value))


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise RecipeError(f"{where} is {value!r}: it has to be a list of texts")
    return tuple(value)


def _bounded(value: Any, bounds: Between, where: str) -> Any:
    size = len(value) if isinstance(value, str) else value
    if not math.isfinite(size) or not bounds.low <= size <= bounds.high:
        what = f"{len(value)} characters long" if isinstance(value, str) else repr(value)
        raise RecipeError(f"{where} is {what}: it has to be between {bounds.low:g} and {bounds.high:g}")
    return value


def _is_required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _nearest(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; it knows {', '.join(sorted(known))}"


def _spoken(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(
        kind, kind.__name__
    )
