"""A corpus in files becomes a token store: JSON lines, plain text, or folders of them."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracing.core.building.writer import StoreWriter
from tracing.core.errors import InputError
from tracing.core.stores.manifest import Manifest
from tracing.core.text.tokenizer import TextTokenizer

TOKEN_TYPES = ((0xFF, "u8"), (0xFFFF, "u16"), (0xFFFF_FFFF, "u32"))
JSON_LINES = {".jsonl", ".ndjson"}
KNOWN_FIELDS = ("id", "source", "url", "title", "licence", "date")


@dataclass(frozen=True)
class Import:
    """What to import: files or folders `paths`, in the ids of `tokenizer`, into a store at `output`."""

    name: str
    paths: Sequence[Path]
    tokenizer: TextTokenizer
    stage: str
    licence: str
    output: Path


def import_corpus(
    job: Import, progress: Callable[[int, int], None] = lambda documents, tokens: None
) -> Manifest:
    """Writes and publishes the store; `progress` hears of documents and tokens so far.

    Raises InputError with file and line for what cannot be read, StoreError where the disk refuses;
    nothing is published then.
    """
    files = [file for path in job.paths for file in files_of(path)]
    with StoreWriter(
        job.output,
        name=job.name,
        tokenizer=job.tokenizer.digest,
        dtype=token_type_for(job.tokenizer),
        stage=job.stage,
        source=", ".join(path.name for path in job.paths),
        licence=job.licence,
    ) as writer:
        tokens = 0
        for number, (text, metadata) in enumerate(read_documents(files), start=1):
            token_ids, _ = job.tokenizer.encode(text)
            own = {"corpus": job.name, "stage": job.stage, "licence": job.licence}
            writer.add(token_ids, {**own, **metadata})
            tokens += len(token_ids)
            progress(number, tokens)
        return writer.publish()


def token_type_for(tokenizer: TextTokenizer) -> str:
    """The narrowest type whose all-ones value, the separator, is no token of the vocabulary."""
    return next(name for separator, name in TOKEN_TYPES if tokenizer.vocab_size <= separator)


def files_of(path: Path) -> Iterator[Path]:
    """The files in a folder by name, hidden ones and links left out; or the file itself."""
    if path.is_file():
        yield path
    elif path.is_dir():
        inside = [p for p in sorted(path.rglob("*")) if p.is_file() and not p.is_symlink()]
        yield from (p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts))
    else:
        raise InputError(f"{path} is neither a file nor a folder: give the corpus's own path.")


def read_documents(files: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Text and metadata of each document: a line of JSON lines, or a whole text file."""
    for file in files:
        if file.suffix.lower() in JSON_LINES:
            yield from read_json_lines(file)
        else:
            yield read_text(file), {"id": str(file), "source": file.name, "title": file.stem}


def read_text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file} is not UTF-8 text (byte {error.start}): convert it, or leave it out."
        ) from error


def read_json_lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """One document a line: an object with `text` and KNOWN_FIELDS. Empty lines are passed over."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield read_row(line, f"{file}:{number}")


def read_row(line: bytes, where: str) -> tuple[str, dict[str, Any]]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is no JSON ({error}): correct or remove the line.") from error
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise InputError(f'{where} has no "text": each line must be an object with a text of type string.')
    kept = {name: row[name] for name in KNOWN_FIELDS if isinstance(row.get(name), str | int | float)}
    return row["text"], {"id": where, "source": where, **kept}
