"""The weights of a model from elsewhere: safetensors alone, and just those tensors that its class has."""

import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from training.core.errors import ImportRefused
from training.core.importing.json_files import own_file, read_object

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"[A-Za-z0-9_.-]+\.safetensors")
DTYPES = {"F32", "F16", "BF16"}
Shapes = dict[str, tuple[int, ...]]


def weight_files(folder: Path) -> dict[Path, set[str] | None]:
    """The files that hold the weights, and of a shard which tensors the index says that it has.

    Raises ImportRefused where there are none, or index and files do not fit together.
    """
    present = {path.name for path in folder.glob("*.safetensors")}
    if not (folder / INDEX).exists():
        if present - {SINGLE} and SINGLE not in present:
            raise ImportRefused(f"{folder} has {len(present)} *.safetensors and no {INDEX}: restore it")
        if not present:
            raise ImportRefused(
                f"{folder} has no *.safetensors. Pickled weights (*.bin, *.pt) are never opened: convert "
                "them where you trust them (model.save_pretrained) and import what that writes"
            )
        return {own_file(folder, SINGLE): None}
    listed = shards_of(read_object(folder, INDEX), folder)
    if extra := present - set(listed):
        raise ImportRefused(f"{INDEX} does not name {sorted(extra)[0]}, which lies beside it: remove one")
    return {own_file(folder, name): tensors for name, tensors in sorted(listed.items())}


def shards_of(index: dict[str, Any], folder: Path) -> dict[str, set[str] | None]:
    """Shard -> its tensors, from the index. Raises ImportRefused."""
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ImportRefused(f"{folder / INDEX} has no weight_map: restore it")
    shards: dict[str, set[str] | None] = {}
    for tensor, name in weight_map.items():
        if not isinstance(name, str) or not SHARD.fullmatch(name):
            raise ImportRefused(f"{INDEX} names {name!r} as a file of weights: only plain file names will do")
        shards[name] = (shards.get(name) or set()) | {tensor}
    return shards


def tensor_shapes(folder: Path) -> Shapes:
    """Name and shape of every tensor. Raises ImportRefused for a truncated file, a tensor in two files or
    not where the index says, or one that is stored in other numbers than F32, F16 or BF16."""
    shapes: Shapes = {}
    for path, expected in weight_files(folder).items():
        found = shapes_in(path)
        if expected is not None and expected != found.keys():
            odd = sorted(expected ^ found.keys())[0]
            raise ImportRefused(f"{path.name} and {INDEX} disagree about {odd}: fetch the model again")
        if twice := shapes.keys() & found.keys():
            raise ImportRefused(f"{sorted(twice)[0]} is in two files of {folder}: fetch the model again")
        shapes |= found
    return shapes


def shapes_in(path: Path) -> Shapes:
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
            dtypes = {name: part.get_dtype() for name, part in slices.items()}
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ImportRefused(f"{path} is damaged or cut short ({error}): fetch it again") from error
    for name, dtype in dtypes.items():
        if dtype not in DTYPES:
            raise ImportRefused(
                f"{path.name} stores {name} as {dtype}: only {', '.join(sorted(DTYPES))} can be read; "
                "import the model as it was before it was quantised"
            )
    return shapes


def check_tensors(found: Shapes, expected: Shapes, tied: bool) -> None:
    """Raises ImportRefused unless the files hold just the tensors that the configuration calls for."""
    optional = {"lm_head.weight"} if tied else set()
    if missing := expected.keys() - found.keys() - optional:
        raise ImportRefused(f"the weights lack {len(missing)} tensors, {sorted(missing)[0]} among them")
    if extra := found.keys() - expected.keys():
        raise ImportRefused(
            f"config.json describes a model without {sorted(extra)[0]}, which the weights hold "
            f"({len(extra)} such tensors): it is the configuration of another model"
        )
    for name, shape in found.items():
        if shape != expected[name]:
            raise ImportRefused(f"{name} has shape {list(shape)}, config.json says {list(expected[name])}")
