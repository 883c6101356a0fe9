"""Pieces of the standard library's text, each with where it stands."""

import datetime
import platform
from dataclasses import dataclass

LICENCE = "PSF-2.0"
REPOSITORY = "https://github.com/python/cpython/blob"


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


def source_url(path: str, line: int | None = None) -> str:
    """Where a file of this Python version's sources can be read."""
    return f"{REPOSITORY}/v{platform.python_version()}/{path}" + (f"#L{line}" if line else "")
