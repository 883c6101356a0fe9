"""The standard library of the running interpreter as text: docstrings and source, each with its file and
line.

Sources are parsed, never imported. What is written in C has no file here: for a few modules that are part of
the interpreter itself the docstring is read from the live object (`builtins.len.__doc__`), and its source
says so.
"""

import ast
import builtins
import datetime
import importlib
import inspect
import platform
import sysconfig
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import ModuleType

from training.core.errors import CorpusError
from training.core.names import PublicNames, is_private, module_name

LICENCE = "PSF-2.0"
REPOSITORY = "https://github.com/python/cpython/blob"
# Tests, tools with their own data, tables of codecs, and modules that repeat another's text.
SKIPPED = frozenset(
    [
        "test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo", "ensurepip", "tkinter",
        "pydoc_data", "site-packages", "dist-packages", "encodings", "distutils", "__phello__",
        "lib-dynload", "msilib", "ntpath", "nturl2path", "this", "antigravity",
    ]
)  # fmt: skip
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
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Passage:
    """A docstring, or a piece of source, as it stands in the library."""

    name: str
    """What people call it: os.path.join."""
    kind: str
    """module, class, function or source."""
    signature: str
    """The arguments as written, in brackets; empty where there are none to write."""
    text: str
    """The docstring as `inspect.cleandoc` gives it, or the source lines verbatim."""
    source: str
    """File and first line (posixpath.py:71), or the attribute that holds it where the code is in C."""
    url: str
    """Where the same text can be read on the web."""

    @property
    def metadata(self) -> dict[str, str]:
        return {
            "corpus": corpus_name(),
            "source": self.source,
            "url": self.url,
            "title": self.name,
            "licence": LICENCE,
            "date": build_date(),
        }


def corpus_name() -> str:
    return f"python-{platform.python_version()}"


def build_date() -> str:
    """The day this interpreter was built, which is the age of this copy of its library."""
    text = " ".join(platform.python_build()[1].split()[:3])
    return datetime.datetime.strptime(text, "%b %d %Y").date().isoformat()


def _url(path: str, line: int | None = None) -> str:
    return f"{REPOSITORY}/v{platform.python_version()}/{path}" + (f"#L{line}" if line else "")


class Library:
    """The modules under `root` (by default the running interpreter's own library), or only those in `modules`
    (top level names, such as json for all of the package)."""

    def __init__(self, root: Path | None = None, modules: Collection[str] = ()) -> None:
        self.root = root or Path(sysconfig.get_path("stdlib"))
        self._modules = modules
        if not (self.root / "os.py").is_file():
            raise CorpusError(
                f"no standard library at {self.root}: os.py is not there; install Python with its library"
            )

    @cached_property
    def sources(self) -> dict[str, str]:
        """Path inside the library -> its text, in order of path."""
        return {str(path): (self.root / path).read_text("utf-8") for path in self._paths()}

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """Path inside the library -> its syntax tree."""
        return {path: ast.parse(text) for path, text in self.sources.items()}

    def docstrings(self) -> Iterator[Passage]:
        """Every docstring of a public module, class or function: first those in C, then by file and line, so
        that of two things with one name the one with a file comes last."""
        yield from docstrings_in_c(self._modules)
        for path, tree in self.trees.items():
            for qualname, node in _definitions(tree):
                text = ast.get_docstring(node)
                name = self._names.of(module_name(PurePosixPath(path)), qualname)
                if text and not is_private(name):
                    yield _passage(path, node, name, text)

    def code(self, modules: Collection[str], longest: int) -> Iterator[Passage]:
        """Source of the public classes' and modules' functions in these modules, those of at most `longest`
        characters."""
        for path, tree in self.trees.items():
            module = module_name(PurePosixPath(path))
            if self._names.of(module, "") in modules:
                yield from self._functions(path, tree, module, longest)

    def _functions(self, path: str, tree: ast.Module, module: str, longest: int) -> Iterator[Passage]:
        lines = self.sources[path].splitlines(keepends=True)
        for qualname, node in _definitions(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                text = "".join(lines[node.lineno - 1 : node.end_lineno])
                if len(text) <= longest:
                    name = self._names.of(module, qualname)
                    source = f"{path}:{node.lineno}"
                    yield Passage(name, "source", "", text, source, _url(f"Lib/{path}", node.lineno))

    def _paths(self) -> list[PurePosixPath]:
        found = (PurePosixPath(path.relative_to(self.root).as_posix()) for path in self.root.rglob("*.py"))
        return sorted(path for path in found if not _is_skipped(path) and self._is_wanted(path))

    def _is_wanted(self, path: PurePosixPath) -> bool:
        return not self._modules or module_name(path).partition(".")[0] in self._modules

    @cached_property
    def _names(self) -> PublicNames:
        packages = {module_name(path) for path in self._paths() if path.name == "__init__.py"}
        trees = {module_name(PurePosixPath(path)): tree for path, tree in self.trees.items()}
        return PublicNames(trees, frozenset(packages))


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
        text = inspect.cleandoc(value.__doc__ or "") if callable(value) else ""
        if (
            text
            and not attribute.startswith("_")
            and not (isinstance(value, type) and value.__module__ not in IN_C)
        ):
            kind = "class" if isinstance(value, type) else "function"
            source = f"{getattr(owner, '__name__', prefix)}.{attribute}.__doc__"
            yield Passage(f"{prefix}{attribute}", kind, _signature_in_c(value), text, source, _url(path))


def _signature_in_c(value: object) -> str:
    try:
        return str(inspect.signature(value)) if not isinstance(value, type) and callable(value) else ""
    except ValueError:  # not every function in C says what it takes
        return ""


def _is_skipped(path: PurePosixPath) -> bool:
    return any(
        part in SKIPPED or part.startswith(("_sysconfigdata", "config-")) for part in (*path.parts, path.stem)
    )


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.Module | Definition]]:
    """The module, then its classes and functions with their qualified names; not those inside of
    functions."""
    yield "", tree
    pending: list[tuple[str, ast.AST]] = [("", tree)]
    while pending:
        prefix, parent = pending.pop(0)
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}{node.name}", node
                if isinstance(node, ast.ClassDef):
                    pending.append((f"{prefix}{node.name}.", node))


def _passage(path: str, node: ast.Module | Definition, name: str, text: str) -> Passage:
    if isinstance(node, ast.Module):
        return Passage(name, "module", "", text, f"{path}:1", _url(f"Lib/{path}", 1))
    kind = "class" if isinstance(node, ast.ClassDef) else "function"
    signature = "" if isinstance(node, ast.ClassDef) else f"({ast.unparse(node.args)})"
    return Passage(name, kind, signature, text, f"{path}:{node.lineno}", _url(f"Lib/{path}", node.lineno))
