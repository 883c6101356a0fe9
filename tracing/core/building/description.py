"""What a store says of itself that its files do not; and its manifest, made of both."""

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tracing.core.building.partial import write_whole
from tracing.core.errors import StoreDamaged
from tracing.core.stores.layout import DATA_FILES, FORMAT, OFFSET_BYTES, token_type
from tracing.core.stores.manifest import FileEntry, Manifest

DESCRIPTION: Final = "tokens.json"


@dataclass(frozen=True)
class Description:
    """What a store says of itself that its files do not: see Manifest."""

    name: str
    dtype: str
    tokenizer: str
    stage: str
    source: str
    licence: str
    generator: Mapping[str, Any] = field(default_factory=dict)


def write_description(described: Description, directory: Path) -> None:
    """Write beside token files what the store made of them will be."""
    content = json.dumps(asdict(described), indent=1) + "\n"
    write_whole(directory / DESCRIPTION, lambda path: path.write_text(content))


def read_description(directory: Path) -> Description | None:
    """What `write_description` wrote, if it did; StoreDamaged where it cannot be read."""
    path = directory / DESCRIPTION
    if not path.exists():
        return None
    try:
        return Description(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise StoreDamaged(f"{path} cannot be read ({error}): import the corpus again.") from error


def make_manifest(described: Description, files: Mapping[str, FileEntry]) -> Manifest:
    """The manifest of a store of these files, made now."""
    width = token_type(described.dtype).width_bytes
    total = {
        stem: sum(f.size_bytes for name, f in files.items() if name.split(".")[0] == stem)
        for stem in DATA_FILES
    }
    documents = total["offset"] // OFFSET_BYTES
    return Manifest(
        format=FORMAT,
        documents=documents,
        tokens=total["tokenized"] // width - documents,
        files=files,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **asdict(described),
    )
