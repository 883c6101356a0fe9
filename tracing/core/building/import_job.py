"""What to import, how far it has come, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tracing.core.building.description import Description
from tracing.core.building.encoding import Encoding
from tracing.core.building.writer import SHARD_BYTES_MAX
from tracing.core.stores.manifest import Manifest
from tracing.core.text.tokenizer import TextTokenizer

TOKEN_TYPES: Final = ((0xFF, "u8"), (0xFFFF, "u16"), (0xFFFF_FFFF, "u32"))
SORTING: Final = 6
"""Bytes of memory that sorting takes for each byte of a shard's tokens."""


@dataclass(frozen=True)
class Progress:
    """How far an import has come: the phase, the share of it that is done, and what was read so far."""

    phase: str
    share: float
    documents: int = 0
    tokens: int = 0


Report = Callable[[Progress], None]


def token_type_for(tokenizer: TextTokenizer) -> str:
    """The narrowest type whose all-ones value, the separator, is no token of the vocabulary."""
    return next(name for separator, name in TOKEN_TYPES if tokenizer.vocab_size <= separator)


@dataclass(frozen=True, kw_only=True)
class Import:
    """What to import, and how.

    Files or folders `paths`, in the ids of `tokenizer`, into a store at `output`. `processes` encode;
    shards are as large as `memory_bytes` can sort. `skip_bad` leaves rows out that cannot be read, else
    the first one stops the import. `restart` forgets what an earlier run has done. Without `index` the
    directory holds the tokens alone, for `build_index`.
    """

    name: str
    paths: Sequence[Path]
    tokenizer: TextTokenizer
    stage: str
    licence: str
    output: Path
    text_field: str = "text"
    processes: int = 1
    memory_bytes: int = 4 << 30
    skip_bad: bool = False
    restart: bool = False
    index: bool = True

    @property
    def shard_bytes(self) -> int:
        return min(SHARD_BYTES_MAX, self.memory_bytes // SORTING)

    @property
    def description(self) -> Description:
        return Description(
            name=self.name,
            dtype=token_type_for(self.tokenizer),
            tokenizer=self.tokenizer.digest,
            stage=self.stage,
            source=", ".join(path.name for path in self.paths),
            licence=self.licence,
        )

    def encoding(self) -> Encoding:
        """What the processes need to know."""
        described = {"corpus": self.name, "stage": self.stage, "licence": self.licence}
        dtype = token_type_for(self.tokenizer)
        return Encoding(self.tokenizer.content, dtype, self.text_field, described, self.shard_bytes)


@dataclass(frozen=True)
class Imported:
    """What an import did: the manifest (None without an index), and the rows that were left out."""

    manifest: Manifest | None
    documents: int
    tokens: int
    left_out: int
    wrong: Sequence[str]
