"""JSON files that came from elsewhere, and the paths that they name."""

import json
from pathlib import Path
from typing import Any

from training.core.errors import ImportRefused

LARGEST_BYTES = 64 * 2**20


def own_file(folder: Path, name: str) -> Path:
    """The file of that name in the folder itself. Raises ImportRefused for one that is missing, lies
    elsewhere, or is no ordinary file."""
    path = folder / name
    if Path(name).name != name or name in {".", ".."}:
        raise ImportRefused(f"{name!r} is no name of a file in {folder}: files may lie in no other folder")
    if path.is_symlink() and path.resolve().parent != folder.resolve():
        raise ImportRefused(
            f"{path} is a link out of {folder}: copy the model with its links followed (cp -rL), then "
            "import the copy"
        )
    if not path.is_file():
        raise ImportRefused(f"{folder} has no file {name}: a Hugging Face model's directory needs it")
    return path


def read_object(folder: Path, name: str) -> dict[str, Any]:
    """The object in a JSON file of the folder. Raises ImportRefused."""
    path = own_file(folder, name)
    if path.stat().st_size > LARGEST_BYTES:
        raise ImportRefused(f"{path} has {path.stat().st_size:,} bytes: at most {LARGEST_BYTES:,} are read")
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ImportRefused(f"{path} is not JSON ({error}): restore it") from error
    if not isinstance(content, dict):
        raise ImportRefused(f"{path} holds {type(content).__name__}, not an object: restore it")
    return content


def read_if_there(folder: Path, name: str) -> dict[str, Any]:
    """The same; empty where there is no such file."""
    path = folder / name
    return read_object(folder, name) if path.exists() or path.is_symlink() else {}
