"""The public names of things in the standard library: people say os.path.join, the file says posixpath.

A name is public where a package re-exports it from one of its own parts (`json.JSONDecoder` is written in
`json/decoder.py`) or from a private module (`decimal.Decimal` in `_pydecimal.py`). It is read from the
sources' import statements; nothing is imported.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

# Modules that are imported under another name by an assignment, which import statements do not show.
RENAMED = {
    "posixpath": "os.path",
    "genericpath": "os.path",
    "_pyio": "io",
    "_collections_abc": "collections.abc",
}


def module_name(path: PurePosixPath) -> str:
    """`json/__init__.py` -> `json`, `json/decoder.py` -> `json.decoder`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def exported_names(tree: ast.Module) -> list[str]:
    """What `from module import *` brings: `__all__` where it is written out, else the names without
    underscore."""
    defined = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
        ):
            return [
                c.value
                for c in ast.walk(node.value)
                if isinstance(c, ast.Constant) and isinstance(c.value, str)
            ]
    return [name for name in defined if not name.startswith("_")]


def is_private(dotted: str) -> bool:
    return any(part.startswith("_") for part in dotted.split("."))


class PublicNames:
    """Answers which public name an object has. `trees`: module name -> its parsed source; `packages`: those
    of them that are packages, whose relative imports count from themselves."""

    def __init__(self, trees: Mapping[str, ast.Module], packages: frozenset[str]) -> None:
        self._trees, self._packages = trees, packages
        self._aliases: dict[str, str] = {}
        for module in sorted(trees):
            if not is_private(module):
                self._read_imports(module)
                self._read_bound_methods(module)

    def of(self, module: str, qualname: str) -> str:
        """The public dotted name of `qualname` (empty for the module itself) as written in `module`."""
        public = RENAMED.get(module, module)
        if not qualname or module in RENAMED:
            return f"{public}.{qualname}".rstrip(".")
        if whole := self._aliases.get(f"{module}.{qualname}"):
            return whole
        first, _, rest = qualname.partition(".")
        name = self._aliases.get(f"{module}.{first}", f"{public}.{first}")
        return f"{name}.{rest}" if rest else name

    def _read_imports(self, module: str) -> None:
        for node in ast.walk(self._trees[module]):
            if isinstance(node, ast.ImportFrom) and (source := self._source_of(module, node)) is not None:
                for name in self._imported(module, node, source):
                    self._note(f"{source}.{name}", f"{RENAMED.get(module, module)}.{name}")

    def _source_of(self, module: str, node: ast.ImportFrom) -> str | None:
        """The module imported from, where importing from it makes a name public: a part of this package, or
        private."""
        parts = module.split(".") if module in self._packages else module.split(".")[:-1]
        base = parts[: len(parts) - node.level + 1] if node.level else []
        source = ".".join([*base, node.module] if node.module else base)
        own_part = module in self._packages and source.startswith(module + ".")
        return source if source in self._trees and (own_part or is_private(source)) else None

    def _read_bound_methods(self, module: str) -> None:
        """`_inst = Random()` and `randint = _inst.randint`: Random.randint is known as random.randint."""
        instances: dict[str, str] = {}
        for node in self._trees[module].body:
            match node:
                case ast.Assign([ast.Name(name)], ast.Call(ast.Name(class_name))):
                    instances[name] = class_name
                case ast.Assign([ast.Name(name)], ast.Attribute(ast.Name(owner), method)) if (
                    owner in instances
                ):
                    self._note(f"{module}.{instances[owner]}.{method}", f"{module}.{name}")

    def _imported(self, module: str, node: ast.ImportFrom, source: str) -> Iterator[str]:
        exported = None if module in self._packages else exported_names(self._trees[module])
        for alias in node.names:
            if alias.name == "*":
                yield from exported_names(self._trees[source])
            elif alias.asname is None and (exported is None or alias.name in exported):
                yield alias.name

    def _note(self, private: str, public: str) -> None:
        known = self._aliases.get(private)
        if not is_private(public) and (known is None or (len(public), public) < (len(known), known)):
            self._aliases[private] = public
