"""Where a stage goes on from after it was killed or paused: the weights that are trained, their moments in
the optimiser, step and meter. One process keeps them in a file, several in a directory to which each writes
its part; either is replaced whole, and read by any number of processes."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.tensor import DTensor, distribute_tensor

from training.core.errors import TrainingError, is_out_of_memory
from training.core.optim import MOMENTS
from training.core.parallel.world import World
from training.core.saved import PARTIAL_PARTS, PARTIAL_STATE, PARTS, STATE, newest_state

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class SavedState:
    """The state after `step` steps. Nothing random is left to save: the data order is a function of the step,
    and so is what an adapter drops out."""

    step: int
    meter: dict[str, Any] = field(default_factory=dict)
    """What the meter has counted since its last line."""


class StateStore:
    """The saved state of the job in `folder`: state.pt, our own file, read with torch's weights-only reader,
    or the directory state-STEP in torch.distributed.checkpoint's format."""

    def __init__(self, folder: Path, world: World) -> None:
        self._folder, self._world = folder, world

    def load(self, model: torch.nn.Module, optimizer: torch.optim.AdamW) -> SavedState | None:
        """Put weights and moments back as they were saved; None where nothing was. Raises TrainingError for a
        state that cannot be read or is another model's."""
        path = newest_state(self._folder)
        if path is None:
            return None
        own = tensors_of(model, optimizer)
        try:
            told = read_parts(path, own, self._world) if path.is_dir() else read_file(path, own)
        except (TrainingError, OSError):
            raise
        except (Exception, CheckpointException) as error:  # torch raises many kinds for damaged files
            if is_out_of_memory(error):
                raise
            raise TrainingError(f"{path} is damaged ({error}): delete it to begin the stage again") from error
        return SavedState(**told)

    def save(
        self, step: int, model: torch.nn.Module, optimizer: torch.optim.AdamW, meter: Mapping[str, Any]
    ) -> None:
        """Replace the state. On an error of the disk (OSError) the state before stays."""
        told, tensors = {"step": step, "meter": dict(meter)}, tensors_of(model, optimizer)
        if self._world.size == 1:
            path = self._folder / STATE
            write_file(path, told, tensors)
        else:
            path = self._folder / f"{PARTS}{step:012d}"
            write_parts(path, told, tensors, self._world)
        self._remove(but=path)

    def remove(self) -> None:
        """Delete the state, and what a process that was killed while saving left of one."""
        self._remove(but=None)

    def _remove(self, but: Path | None) -> None:
        if not self._world.is_first:
            return
        files = (self._folder / STATE, self._folder / PARTIAL_STATE)
        parts = (path for start in (PARTS, PARTIAL_PARTS) for path in self._folder.glob(f"{start}*"))
        for path in (*files, *parts):
            if path != but:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def write_file(path: Path, told: Mapping[str, Any], tensors: Tensors) -> None:
    partial = path.with_name(PARTIAL_STATE)
    try:
        with partial.open("wb") as file:
            torch.save({**told, "tensors": tensors}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, RuntimeError) and isinstance(error.__context__, OSError):
            # torch's writer makes "unexpected pos" of whatever the disk says
            raise OSError(error.__context__.errno, error.__context__.strerror, str(path)) from error
        raise


def read_file(path: Path, own: Tensors) -> dict[str, Any]:
    """Into `own`, whole or of parts; every process reads the whole file."""
    told: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    saved: Tensors = told.pop("tensors")
    if {name: tensor.shape for name, tensor in own.items()} != {name: t.shape for name, t in saved.items()}:
        raise of_another_model(path)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(like(saved[name], tensor))
    return told


def like(whole: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """A whole tensor, divided as `own` is."""
    if not isinstance(own, DTensor):
        return whole
    mesh = own.device_mesh
    return distribute_tensor(whole.to(mesh.device_type), mesh, own.placements, src_data_rank=None)


def write_parts(path: Path, told: Mapping[str, Any], tensors: Tensors, world: World) -> None:
    """Each process its own parts; the directory gets its name when all are written. Raises OSError."""
    partial = path.with_name(f"{PARTIAL_PARTS}{path.name.removeprefix(PARTS)}")
    world.first(lambda: shutil.rmtree(partial, ignore_errors=True))
    try:
        save({**tensors, "told": json.dumps(told)}, checkpoint_id=partial)
    except CheckpointException as error:
        reasons = "; ".join(sorted({str(failure[0]) for failure in error.failures.values()}))
        raise OSError(f"{path} could not be saved ({reasons})") from error
    world.first(lambda: partial.rename(path))


def read_parts(path: Path, own: Tensors, world: World) -> dict[str, Any]:
    """Into `own`, however many processes wrote it."""
    reader = FileSystemReader(path)
    saved = reader.read_metadata().state_dict_metadata
    if {name: tuple(t.shape) for name, t in own.items()} != {
        name: tuple(entry.size) for name, entry in saved.items() if hasattr(entry, "size")
    }:
        raise of_another_model(path)
    state: dict[str, Any] = {**own, "told": ""}
    with torch.no_grad():
        load(state, storage_reader=reader, no_dist=world.size == 1)
    told: dict[str, Any] = json.loads(state["told"])
    return told


def of_another_model(path: Path) -> TrainingError:
    return TrainingError(
        f"{path} is the state of a model with other parameters: the recipe was changed under way; give the "
        "job another name, or delete the state to begin the stage again"
    )


def trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that are trained, by name; what is frozen comes from the parent again."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def tensors_of(model: torch.nn.Module, optimizer: torch.optim.AdamW) -> Tensors:
    """The trained parameters and their moments by name, as they lie in memory."""
    found: Tensors = {}
    for name, parameter in trained(model).items():
        found[f"model.{name}"] = parameter.detach()
        moments = optimizer.state[parameter]
        found |= {f"{moment}.{name}": moments[moment] for moment in MOMENTS}
    return found
