"""The standard library of the running interpreter as text: docstrings and source, with their files and lines.

Sources are parsed, never imported.
"""

import ast
import sysconfig
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from training.core.errors import CorpusError
from training.core.library_in_c import docstrings_in_c
from training.core.names import PublicNames, is_private, module_name
from training.core.passages import Passage, source_url

# Tests, tools with their own data, tables of codecs, and modules that repeat another's text.
SKIPPED = frozenset(
    [
        "test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo", "ensurepip", "tkinter",
        "pydoc_data", "site-packages", "dist-packages", "encodings", "distutils", "__phello__",
        "lib-dynload", "msilib", "ntpath", "nturl2path", "this", "antigravity",
    ]
)  # fmt: skip
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


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
                    yield Passage(name, "source", "", text, source, source_url(f"Lib/{path}", node.lineno))

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
        return Passage(name, "module", "", text, f"{path}:1", source_url(f"Lib/{path}", 1))
    kind = "class" if isinstance(node, ast.ClassDef) else "function"
    signature = "" if isinstance(node, ast.ClassDef) else f"({ast.unparse(node.args)})"
    return Passage(
        name, kind, signature, text, f"{path}:{node.lineno}", source_url(f"Lib/{path}", node.lineno)
    )
