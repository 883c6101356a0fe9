"""manifest.json of a token store: what it holds, and the size and digest of every file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from tracing.core.errors import InputError, StoreDamaged, StoreMissing
from tracing.core.stores.layout import (
    DATA_FILES,
    FORMAT,
    MANIFEST,
    OFFSET_BYTES,
    TokenType,
    block_count,
    pointer_bytes,
    shard_files,
    token_type,
)
from tracing.core.stores.mapped_file import read_small_file

MANIFEST_BYTES_MAX = 64 << 20


@dataclass(frozen=True)
class FileEntry:
    """One file of a store: its size and its digest, "sha256:<hex>"."""

    size_bytes: int
    digest: str


@dataclass(frozen=True)
class Manifest:
    """What a published store says of itself. `tokens` leaves out the separators, one a document."""

    format: str
    name: str
    dtype: str
    tokenizer: str
    documents: int
    tokens: int
    stage: str
    source: str
    licence: str
    files: Mapping[str, FileEntry]
    generator: Mapping[str, Any]
    created: str

    @property
    def token_type(self) -> TokenType:
        return token_type(self.dtype)

    @property
    def shards(self) -> int:
        return sum(name.startswith("tokenized.") for name in self.files)

    @cached_property
    def digest(self) -> str:
        """The store's identity: sha256 over the manifest's canonical JSON, so over every file's digest."""
        canonical = json.dumps(self._fields(), sort_keys=True, separators=(",", ":"))
        return sha256(canonical.encode())

    def to_json(self) -> dict[str, Any]:
        return {**self._fields(), "digest": self.digest}

    def _fields(self) -> dict[str, Any]:
        files = {name: {"size": f.size_bytes, "digest": f.digest} for name, f in self.files.items()}
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**own, "files": files, "generator": dict(self.generator)}


def sha256(data: bytes) -> str:
    """Digest string of `data`, as used all over a store: "sha256:<hex>"."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def read_manifest(directory: Path) -> Manifest:
    """The checked manifest of the store in `directory`.

    Raises StoreMissing where there is no store, StoreDamaged where the manifest was cut or altered,
    or contradicts itself. The data files are not looked at.
    """
    path = directory / MANIFEST
    try:
        text = read_small_file(path, MANIFEST_BYTES_MAX)
    except StoreMissing as error:
        raise StoreMissing(f"No token store at {directory}: {error}") from error
    return parse_manifest(text, path)


def parse_manifest(text: str | bytes, origin: object) -> Manifest:
    """The checked manifest that `text` is; StoreDamaged, naming `origin`, where it is none."""
    try:
        fields = json.loads(text)
        if not isinstance(fields, dict):
            raise ValueError("it is no JSON object")
        manifest = _parse(fields)
        _check_sizes(manifest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError) as error:
        raise StoreDamaged(f"{origin} is damaged ({error}): restore or rebuild the store.") from error
    return manifest


def write_manifest(manifest: Manifest, directory: Path) -> Path:
    """Write manifest.json into `directory` and return its path; the caller syncs."""
    path = directory / MANIFEST
    path.write_text(manifest_text(manifest))
    return path


def manifest_text(manifest: Manifest) -> str:
    """The content of manifest.json."""
    return json.dumps(manifest.to_json(), indent=1, sort_keys=True) + "\n"


def _parse(fields: dict[str, Any]) -> Manifest:
    digest = fields.pop("digest")
    files = {name: FileEntry(_count(f["size"]), str(f["digest"])) for name, f in fields.pop("files").items()}
    manifest = Manifest(files=files, **fields)
    words = {**manifest.__dict__, "files": "", "generator": "", "documents": "", "tokens": ""}
    wrong = [name for name, value in words.items() if not isinstance(value, str)]
    if wrong or not isinstance(manifest.generator, dict):
        raise ValueError(f"{', '.join(wrong) or 'generator'} is not of its kind")
    if manifest.format != FORMAT:
        raise ValueError(f"format {manifest.format!r} is not {FORMAT!r}")
    if manifest.digest != digest:
        raise ValueError(f"its content has digest {manifest.digest}, but it says {digest}")
    return manifest


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _check_sizes(manifest: Manifest) -> None:
    """ValueError where the sizes of the files cannot belong to one store of this type."""
    expected = {name for shard in range(manifest.shards) for name in shard_files(shard)}
    if not expected or set(manifest.files) != expected:
        raise ValueError(f"it lists the files {sorted(manifest.files)}")
    totals = [_check_shard(manifest, shard) for shard in range(manifest.shards)]
    documents, tokens = sum(d for d, _ in totals), sum(t for _, t in totals)
    if (documents, tokens) != (_count(manifest.documents), _count(manifest.tokens)):
        raise ValueError(f"its files hold {documents} documents and {tokens} tokens")


def _check_shard(manifest: Manifest, shard: int) -> tuple[int, int]:
    """Documents and tokens of one shard, by the sizes of its files."""
    size = {name.split(".")[0]: manifest.files[name].size_bytes for name in shard_files(shard)}
    width = manifest.token_type.width_bytes
    documents, entries = size["offset"] // OFFSET_BYTES, size["tokenized"] // width
    sound = {
        "tokenized": size["tokenized"] == entries * width and entries >= documents,
        "offset": size["offset"] == documents * OFFSET_BYTES and documents > 0,
        "metadata": size["metadata"] >= documents,
        "metaoff": size["metaoff"] == size["offset"],
        "table": size["table"] == entries * pointer_bytes(size["tokenized"]),
        "unigram": size["unigram"] > 0,
        "blocks": size["blocks"] == 8 * sum(block_count(size[stem]) for stem in DATA_FILES),
    }
    wrong = [f"{stem}.{shard}" for stem, right in sound.items() if not right]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} cannot have that size in a {manifest.dtype} store")
    return documents, entries - documents
