"""What is written in C has no file in the library: for a few modules that are part of the interpreter itself,
the docstring is read from the live object (`builtins.len.__doc__`), and its source says so."""

import builtins
import importlib
import inspect
from collections.abc import Collection, Iterator
from types import ModuleType

from training.core.passages import Passage, source_url

# Modules in C that hold well-known functions, with the file of the interpreter's sources they are written in.
IN_C = {
    "builtins": "Python/bltinmodule.c",
    "math": "Modules/mathmodule.c",
    "itertools": "Modules/itertoolsmodule.c",
    "time": "Modules/timemodule.c",
    "posix": "Modules/posixmodule.c",
    "_functools": "Modules/_functoolsmodule.c",
    "_operator": "Modules/_operator.c",
}
PUBLIC_IN_C = {"builtins": "", "posix": "os.", "_functools": "functools.", "_operator": "operator."}
TYPES_IN_C = {
    "str": "unicodeobject",
    "list": "listobject",
    "dict": "dictobject",
    "set": "setobject",
    "bytes": "bytesobject",
    "int": "longobject",
    "float": "floatobject",
    "tuple": "tupleobject",
}


def docstrings_in_c(modules: Collection[str] = ()) -> Iterator[Passage]:
    """Docstrings of well-known functions and types that are written in C, read from the live interpreter:
    all, or those of `modules` (builtins includes the methods of str, list and the like)."""
    for module, path in IN_C.items():
        if not modules or module in modules:
            prefix = PUBLIC_IN_C.get(module, f"{module}.")
            yield from _passages_in_c(importlib.import_module(module), prefix, path)
    if not modules or "builtins" in modules:
        for name, stem in TYPES_IN_C.items():
            yield from _passages_in_c(getattr(builtins, name), f"{name}.", f"Objects/{stem}.c")


def _passages_in_c(owner: ModuleType | type, prefix: str, path: str) -> Iterator[Passage]:
    for attribute, value in sorted(vars(owner).items()):
        text = inspect.cleandoc(value.__doc__ or "") if _is_written_there(value) else ""
        if text and not attribute.startswith("_"):
            kind = "class" if isinstance(value, type) else "function"
            source = f"{getattr(owner, '__name__', prefix)}.{attribute}.__doc__"
            yield Passage(
                f"{prefix}{attribute}", kind, _signature_in_c(value), text, source, source_url(path)
            )


def _is_written_there(value: object) -> bool:
    """A function or method, or a type that is not only passed on from another module."""
    return value.__module__ in IN_C if isinstance(value, type) else inspect.isroutine(value)


def _signature_in_c(value: object) -> str:
    try:
        return str(inspect.signature(value)) if not isinstance(value, type) and callable(value) else ""
    except ValueError:  # not every function in C says what it takes
        return ""
