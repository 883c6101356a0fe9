"""From the bytes of an attached file to its text. What is not text, or too large, is refused with the reason.

The name says only how the text is shown: whether a file is text is told by its bytes.
"""

import codecs
import unicodedata
from dataclasses import dataclass
from pathlib import PurePath

from playground.core.attachments.errors import AttachmentError
from playground.core.attachments.pdf import read_pdf

MAX_TEXT_BYTES = 1024 * 1024
MAX_PDF_BYTES = 10 * 1024 * 1024
MAX_CHARACTERS = 400_000
NAME_CHARACTERS = 200
TEXT, MARKDOWN, CODE, PDF = "text", "markdown", "code", "pdf"
MARKDOWN_SUFFIXES = {".md", ".markdown", ".rst"}
LANGUAGES = {
    ".bash": "bash",
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cs": "csharp",
    ".css": "css",
    ".go": "go",
    ".h": "c",
    ".hpp": "cpp",
    ".hs": "haskell",
    ".htm": "html",
    ".html": "html",
    ".java": "java",
    ".jl": "julia",
    ".js": "javascript",
    ".json": "json",
    ".jsonl": "json",
    ".kt": "kotlin",
    ".lua": "lua",
    ".php": "php",
    ".pl": "perl",
    ".ps1": "powershell",
    ".py": "python",
    ".r": "r",
    ".rb": "ruby",
    ".rs": "rust",
    ".scala": "scala",
    ".sh": "bash",
    ".sql": "sql",
    ".swift": "swift",
    ".tex": "latex",
    ".toml": "toml",
    ".ts": "typescript",
    ".tsx": "tsx",
    ".xml": "xml",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".zig": "zig",
}
BYTE_ORDERS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class ReadFile:
    """What an attached file says. `pages` is None for all but PDFs."""

    name: str
    kind: str
    text: str
    size_bytes: int
    language: str = ""
    pages: int | None = None


def read_file(name: str, content: bytes) -> ReadFile:
    """Read a whole file; AttachmentError says why it cannot be attached and what to do instead."""
    name = clean_name(name)
    if not content:
        raise AttachmentError(f"{name} is empty. Attach a file with text in it.")
    if b"%PDF-" in content[:1024]:
        check_size(name, len(content), MAX_PDF_BYTES)
        text, pages = read_pdf(name, content)
        return ReadFile(name, PDF, fitting(name, text), len(content), pages=pages)
    check_size(name, len(content), MAX_TEXT_BYTES)
    kind, language = kind_of(name)
    return ReadFile(name, kind, fitting(name, decoded(name, content)), len(content), language)


def largest_bytes(name: str) -> int:
    """How large a file of that name may be, before anything of it is read."""
    return MAX_PDF_BYTES if name.lower().endswith(".pdf") else MAX_TEXT_BYTES


def check_size(name: str, size_bytes: int, most: int) -> None:
    if size_bytes > most:
        raise AttachmentError(
            f"{clean_name(name)} has {size_bytes / 2**20:,.1f} MiB; at most {most / 2**20:.0f} MiB of such a "
            "file can be attached. Attach the part that matters."
        )


def decoded(name: str, content: bytes) -> str:
    """UTF-8, or UTF-16 where the file says so; line ends as \\n."""
    utf16 = content.startswith(BYTE_ORDERS[1:])
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise AttachmentError(
            f"{name} is not text in UTF-8. Text, Markdown, code and PDF can be attached: save it as one of "
            "them."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def fitting(name: str, text: str) -> str:
    if not text.strip():
        raise AttachmentError(f"{name} holds no text. A scan has to be made into text first.")
    if len(text) > MAX_CHARACTERS:
        raise AttachmentError(
            f"{name} has {len(text):,} characters; at most {MAX_CHARACTERS:,} can be attached. "
            "Attach the part that matters."
        )
    return text


def kind_of(name: str) -> tuple[str, str]:
    """The kind of a text file, and of code its language, by the name's end."""
    suffix = PurePath(name).suffix.lower()
    if suffix in MARKDOWN_SUFFIXES:
        return MARKDOWN, ""
    return (CODE, LANGUAGES[suffix]) if suffix in LANGUAGES else (TEXT, "")


def clean_name(name: str) -> str:
    """A name that can be shown: without folders and control characters, and not too long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    return shown[-NAME_CHARACTERS:] or "file"
