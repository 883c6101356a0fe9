"""The corpus is the interpreter's own library: what is quoted stands where its source says."""

import builtins
import importlib
import inspect
import json
import math
import os
import random
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.training.core_jobs import MODULES
from training.core.errors import CorpusError
from training.core.library import Library
from training.core.passages import Passage
from training.core.popular import LONGEST, SHORTEST, Entry, choose_entries, first_prose, is_answer

KNOWN: dict[str, Any] = {
    "os.path.join": os.path.join,
    "json.dumps": json.dumps,
    "json.JSONDecoder": json.JSONDecoder,
    "random.randint": random.randint,
    "textwrap.dedent": textwrap.dedent,
    "textwrap.TextWrapper.wrap": textwrap.TextWrapper.wrap,
}


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(modules=[*MODULES, "builtins", "math"])


@pytest.fixture(scope="module")
def passages(library: Library) -> dict[str, Passage]:
    return {passage.name: passage for passage in library.docstrings()}


@pytest.fixture(scope="module")
def entries(library: Library) -> list[Entry]:
    return choose_entries(library, 150)


@pytest.mark.parametrize("name", KNOWN)
def test_a_docstring_and_its_line_are_those_of_the_imported_object(
    name: str, passages: dict[str, Passage], library: Library
) -> None:
    passage, thing = passages[name], KNOWN[name]
    assert passage.text == inspect.getdoc(thing)
    path, line = passage.source.split(":")
    module = sys.modules[thing.__module__]
    assert (library.root / path).samefile(module.__file__ or "")
    first = inspect.getsourcelines(thing)[1] if isinstance(thing, type) else thing.__code__.co_firstlineno
    assert int(line) == first


def test_every_docstring_stands_in_its_file_below_its_line(
    passages: dict[str, Passage], library: Library
) -> None:
    in_files = [p for p in passages.values() if not p.source.endswith("__doc__") and "\\" not in p.text]
    assert len(in_files) > 80
    for passage in in_files:
        path, line = passage.source.split(":")
        below = "\n".join(library.sources[path].splitlines()[int(line) - 1 :])
        for said in filter(None, map(str.strip, passage.text.splitlines())):
            assert said in below, f"{passage.name} at {passage.source}: {said!r}"


def test_what_is_written_in_c_is_quoted_from_the_live_object(passages: dict[str, Passage]) -> None:
    for name, thing in {"len": builtins.len, "dict.get": dict.get, "math.sqrt": math.sqrt}.items():
        assert passages[name].text == inspect.getdoc(thing)
        owner = passages[name].source.removesuffix(".__doc__")
        module, _, attribute = owner.partition(".")
        live = getattr(builtins, module, None) or importlib.import_module(module)
        assert getattr(live, attribute) == thing


def test_urls_name_the_version_the_file_and_the_line(passages: dict[str, Passage]) -> None:
    passage = passages["os.path.join"]
    line = passage.source.split(":")[1]
    version = ".".join(map(str, sys.version_info[:3]))
    assert passage.url == f"https://github.com/python/cpython/blob/v{version}/Lib/posixpath.py#L{line}"
    assert passage.metadata["licence"] == "PSF-2.0"
    assert passage.metadata["title"] == "os.path.join"


def test_source_is_verbatim_from_its_first_line(library: Library) -> None:
    found = list(library.code(frozenset({"os.path", "textwrap"}), longest=600))
    assert found
    for passage in found:
        path, line = passage.source.split(":")
        lines = library.sources[path].splitlines(keepends=True)
        assert "".join(lines[int(line) - 1 :]).startswith(passage.text)
        assert len(passage.text) <= 600


def test_private_things_and_tests_are_left_out(passages: dict[str, Passage]) -> None:
    assert not [name for name in passages if any(part.startswith("_") for part in name.split("."))]
    assert not [p.source for p in passages.values() if p.source.startswith(("test/", "idlelib/"))]


def test_an_answer_is_verbatim_in_its_docstring_and_of_moderate_length(entries: list[Entry]) -> None:
    assert len({entry.name for entry in entries}) == len(entries) == 150
    for entry in entries:
        assert entry.answer in entry.passage.text
        assert SHORTEST <= len(entry.answer) <= LONGEST


def test_the_best_known_functions_come_first(entries: list[Entry]) -> None:
    names = [entry.name for entry in entries]
    assert names.index("abs") < names.index("os.path.join")
    assert {"len", "math.sqrt", "json.loads", "random.choice"} <= set(names)


def test_signatures_and_examples_are_passed_over() -> None:
    docstring = "max(iterable) -> value\nmax(a, b) -> value\n\n>>> max(1, 2)\n2\n\nThe biggest of them all."
    assert first_prose(docstring) == "The biggest of them all."
    assert not is_answer("Options that can be given are these:")


def test_a_folder_without_a_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"os\.py is not there"):
        Library(tmp_path)
