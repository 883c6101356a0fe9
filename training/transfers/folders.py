"""What lies in HEADWATER_HOME/imports to be taken in, and in HEADWATER_HOME/exports to be fetched."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from training.core.errors import ImportRefused
from training.transfers.models import Transfer

FOLDERS_MAX = 200


@dataclass(frozen=True)
class ExportFile:
    """A file of an export, by its name."""

    name: str
    size_bytes: int


def imports() -> Path:
    return settings.HOME / "imports"


def offered_folders() -> list[str]:
    """Names of the directories with a model's configuration that an operator has put there, or linked."""
    if not imports().is_dir():
        return []
    found = (path.name for path in imports().iterdir() if (path / "config.json").is_file())
    return sorted(name for name in found if not name.startswith("."))[:FOLDERS_MAX]


def offered_folder(name: str) -> Path:
    """The directory of that name. Raises ImportRefused unless it is one of those that are offered."""
    if name not in offered_folders():
        raise ImportRefused(
            f"there is no model {name[:100]!r} in imports/ of the data directory: put its directory there "
            "first"
        )
    return imports() / name


def files_of(transfer: Transfer) -> list[ExportFile]:
    """The files of an export that is done; none where they are gone."""
    if not transfer.directory.is_dir():
        return []
    paths = sorted(path for path in transfer.directory.iterdir() if path.is_file() and not path.is_symlink())
    return [ExportFile(path.name, path.stat().st_size) for path in paths]
