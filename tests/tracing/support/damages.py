"""The ways in which a store gets damaged: at rest, and while it is open."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.tracing.support.stores import resign, tokenizer_json
from tracing.core.stores.layout import BLOCK_BYTES, BLOCKS, DATA_FILES, MANIFEST
from tracing.core.text.tokenizer import TextTokenizer

OTHER_TOKENIZER = TextTokenizer(tokenizer_json(300).encode(), Path("tokenizer.json"))
ERROR = "error"


@dataclass(frozen=True)
class Kind:
    """A sort of store: its token type, documents and tokens in each, and shards of so many bytes."""

    dtype: str
    documents: int
    tokens: int
    shard_bytes: int

    @property
    def name(self) -> str:
        return f"{self.dtype}-{self.documents}"

    def corpus(self, seed: int) -> list[list[int]]:
        """Documents of the same lengths for every seed; empty and one-token ones among them."""
        rng = np.random.default_rng(seed)
        lengths = [0, 1, *(self.tokens // 2 + number % self.tokens for number in range(self.documents - 2))]
        return [rng.zipf(1.3, length).clip(max=250).tolist() for length in lengths]


KINDS = [Kind("u8", 40, 30, 500), Kind("u16", 40, 30, 1000), Kind("u32", 40, 30, 2000)]
LARGE = Kind("u16", 900, 100, 120_000)


class Case:
    """One damaged copy of a store, and how it was damaged."""

    def __init__(self, home: Path, kind: Kind, rng: np.random.Generator) -> None:
        self.home, self.kind, self.rng = home, kind, rng
        self.intact, self.other = home / f"{kind.name}-1", home / f"{kind.name}-2"
        self.path = home / "copy" / "store"
        self.path.parent.mkdir()
        shutil.copytree(self.intact, self.path)
        self.names = sorted(file.name for file in self.path.iterdir())
        self.allowed = "right or error"

    def close(self) -> None:
        shutil.rmtree(self.home / "copy")

    def pick(self, *, data_only: bool = False) -> Path:
        names = [name for name in self.names if not data_only or name.split(".")[0] in DATA_FILES]
        return self.path / str(self.rng.choice(names))

    def pick_large(self) -> Path:
        large = [name for name in self.names if (self.path / name).stat().st_size >= 2 * BLOCK_BYTES]
        return self.path / str(self.rng.choice(large or self.names))


def missing(case: Case) -> None:
    case.pick().unlink()


def empty(case: Case) -> None:
    case.pick().write_bytes(b"")


def cut(case: Case) -> None:
    file = case.pick()
    content = file.read_bytes()
    size = len(content)
    places = [1, 2, 7, 8, size // 2, size - 8, size - 2, size - 1, 4096, BLOCK_BYTES, BLOCK_BYTES - 1]
    places += [size // 4096 * 4096, size // BLOCK_BYTES * BLOCK_BYTES, int(case.rng.integers(0, size))]
    file.write_bytes(content[: max(0, min(int(case.rng.choice(places)), size - 1))])


def extended(case: Case) -> None:
    file = case.pick()
    added = [b"\0", b"\xff" * 8, b"x" * 4096, b"\0" * BLOCK_BYTES, file.read_bytes()]
    with file.open("ab") as stream:
        stream.write(added[int(case.rng.integers(len(added)))])


def flipped(case: Case) -> None:
    flip(case.pick(), case.rng)


def flip(file: Path, rng: np.random.Generator) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(int(rng.choice([1, 1, 1, 3]))):
        content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    file.write_bytes(content)


def blocks_swapped(case: Case) -> None:
    file = case.pick_large()
    content = file.read_bytes()
    size = BLOCK_BYTES if len(content) >= 2 * BLOCK_BYTES else len(content) // 2
    file.write_bytes(content[size : 2 * size] + content[:size] + content[2 * size :])


def blocks_swapped_between_files(case: Case) -> None:
    left, right = case.pick_large(), case.pick_large()
    size = min(BLOCK_BYTES, left.stat().st_size, right.stat().st_size)
    first, second = left.read_bytes(), right.read_bytes()
    left.write_bytes(second[:size] + first[size:])
    right.write_bytes(first[:size] + second[size:] if left != right else second[:size] + first[size:])


def files_swapped_between_stores(case: Case) -> None:
    for name in case.rng.choice(case.names, int(case.rng.choice([1, 2, 7])), replace=False):
        if (case.other / name).exists():
            shutil.copyfile(case.other / name, case.path / name)
    case.allowed = "right or error or other"


def files_swapped_between_shards(case: Case) -> None:
    stem = str(case.rng.choice([*DATA_FILES, BLOCKS]))
    shards = [name for name in case.names if name.startswith(f"{stem}.")]
    left, right = case.rng.choice(shards, 2, replace=False) if len(shards) > 1 else (shards[0], MANIFEST)
    swap(case.path / left, case.path / right)


def files_swapped_within_a_shard(case: Case) -> None:
    swap(case.pick(), case.pick())


def swap(left: Path, right: Path) -> None:
    first, second = left.read_bytes(), right.read_bytes()
    left.write_bytes(second)
    right.write_bytes(first)


def something_else_in_a_files_place(case: Case) -> None:
    file = case.pick()
    file.unlink()
    makers: list[Callable[[], object]] = [
        file.mkdir,
        lambda: os.mkfifo(file),
        lambda: file.symlink_to(file),
        lambda: file.symlink_to("/dev/zero"),
        lambda: file.symlink_to("/dev/null"),
        lambda: file.symlink_to(case.path),
        lambda: file.symlink_to(case.other / file.name),
        lambda: file.symlink_to(case.intact / file.name),
        lambda: os.link(case.intact / file.name, file),
    ]
    makers[int(case.rng.integers(len(makers)))]()
    case.allowed = "right or error or other"


def unreadable(case: Case) -> None:
    case.pick().chmod(0)


def manifest_edited(case: Case) -> None:
    path = case.path / MANIFEST
    fields = json.loads(path.read_text())
    edit(fields, case.rng)
    path.write_text(json.dumps(fields))


VALUES = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    2**70,
    1.5,
    "",
    "u8",
    "u16",
    "u32",
    "u64",
    [],
    {},
    ["u16"],
    "\0",
]


def edit(fields: dict[str, Any], rng: np.random.Generator) -> None:
    """Another value for something in the manifest or its list of files; or something left out, or added."""
    where, name = fields, str(rng.choice(sorted(fields)))
    if name == "files" and rng.random() < 0.8:
        where = fields["files"][str(rng.choice(sorted(fields["files"])))]
        name = str(rng.choice(["size", "digest"]))
    match int(rng.integers(4)):
        case 0:
            del where[name]
        case 1:
            where["extra"] = 1
        case _:
            where[name] = VALUES[int(rng.integers(len(VALUES)))]


def manifest_edited_and_signed(case: Case) -> None:
    fields = json.loads((case.path / MANIFEST).read_text())
    edit(fields, case.rng)
    sign(case.path, fields)
    case.allowed = "anything sound"


def sign(path: Path, fields: dict[str, Any]) -> None:
    from tracing.core.stores.manifest import sha256

    fields = {name: value for name, value in fields.items() if name != "digest"}
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    (path / MANIFEST).write_text(json.dumps({**fields, "digest": sha256(canonical.encode())}))


def garbage_signed(case: Case) -> None:
    """Wrong content with right checksums: only verify_store can tell, but nothing may crash."""
    file = case.pick(data_only=True)
    for _ in range(int(case.rng.choice([1, 20]))):
        flip(file, case.rng)
    resign(case.path)
    case.allowed = "anything"


def wrong_token_type_signed(case: Case) -> None:
    fields = json.loads((case.path / MANIFEST).read_text())
    fields["dtype"] = str(case.rng.choice([d for d in ("u8", "u16", "u32") if d != case.kind.dtype]))
    sign(case.path, fields)
    case.allowed = ERROR


def wrong_tokenizer_signed(case: Case) -> None:
    resign(case.path, tokenizer=str(case.rng.choice([OTHER_TOKENIZER.digest, "", "sha256:0", "\n"])))
    case.allowed = ERROR


def stray_files(case: Case) -> None:
    for name in ("tokenized.7", "table", ".hidden", "blocks.-1", "é\n日本", "x" * 250):
        (case.path / name).write_bytes(b"stray")
    (case.path / "directory.0").mkdir()
    case.allowed = "right"


ODD_NAMES = [
    "with space",
    "line\nbreak",
    "日本 😀 é",
    "x" * 250,
    "%s {0} $HOME",
    "-rf",
    "tokenized.0",
    "a\tb'\"",
    "…",
]


def odd_path(case: Case) -> None:
    names = [*map(os.fsencode, ODD_NAMES), b"\xff\xfe not text", b"\x80"]
    path = case.path.parent / os.fsdecode(names[int(case.rng.integers(len(names)))])
    case.path.rename(path)
    case.path, case.allowed = path, "right"


def path_that_is_no_store(case: Case) -> None:
    places = ["nothing", "store/table.0", "store/nothing", "nul\0byte", "x" * 5000, "../..", "\udcff"]
    case.path = case.path.parent / str(places[int(case.rng.integers(len(places)))])
    case.allowed = ERROR


AT_REST = [
    *(missing, empty, cut, cut, extended, flipped, flipped, flipped, flipped, blocks_swapped),
    *(blocks_swapped_between_files, files_swapped_between_stores, files_swapped_between_shards),
    *(files_swapped_within_a_shard, something_else_in_a_files_place, unreadable, manifest_edited),
    *(manifest_edited_and_signed, garbage_signed, wrong_token_type_signed, wrong_tokenizer_signed),
    *(stray_files, odd_path, path_that_is_no_store),
]


def cut_while_open(case: Case) -> None:
    file = case.pick()
    os.truncate(file, int(case.rng.integers(0, file.stat().st_size)))


def grown_while_open(case: Case) -> None:
    extended(case)


def written_while_open(case: Case) -> None:
    file = case.pick()
    content = bytearray(file.read_bytes())
    flips = case.rng.integers(0, 256, len(content), dtype=np.uint8)
    with file.open("r+b") as stream:
        stream.write(bytes(np.frombuffer(bytes(content), dtype=np.uint8) ^ flips))


def replaced_while_open(case: Case) -> None:
    """Those who have it open go on with the file that they opened."""
    name = case.pick().name
    if (case.other / name).exists():
        shutil.copyfile(case.other / name, case.path.parent / "new")
        os.replace(case.path.parent / "new", case.path / name)
    case.allowed = "right"


def removed_while_open(case: Case) -> None:
    shutil.rmtree(case.path)
    case.path.mkdir()
    case.allowed = "right"


WHILE_OPEN = [cut_while_open, grown_while_open, written_while_open, replaced_while_open, removed_while_open]
