"""Where a stage goes on from after it was killed or paused: the weights that are trained, optimiser, step and
meter, in one file that is replaced whole."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from training.core.errors import TrainingError


@dataclass(frozen=True)
class SavedState:
    """The state after `step` steps. Nothing random is left to save: the data order is a function of the step,
    and so is what an adapter drops out."""

    step: int
    model: dict[str, torch.Tensor]
    """The trained parameters by name; what is frozen comes from the parent again."""
    optimizer: dict[str, Any]
    meter: dict[str, Any] = field(default_factory=dict)
    """What the meter has counted since its last line."""


class StateFile:
    """JOB_DIR/state.pt, our own file, read with torch's weights-only reader."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.pt"
        self._partial = folder / "state.pt.partial"

    def load(self) -> SavedState | None:
        """The saved state, or None where there is none. Raises TrainingError for one that cannot be read."""
        if not self.path.is_file():
            return None
        try:
            return SavedState(**torch.load(self.path, weights_only=True))
        except Exception as error:  # torch raises many kinds for a damaged file
            raise TrainingError(
                f"{self.path} is damaged ({error}): delete it to begin the stage again"
            ) from error

    def save(
        self,
        step: int,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        meter: Mapping[str, Any] | None = None,
    ) -> None:
        """Replace the state. On an error of the disk (OSError) the state before stays."""
        state = {"step": step, "model": trained(model), "optimizer": optimizer.state_dict()}
        try:
            with self._partial.open("wb") as file:
                torch.save({**state, "meter": dict(meter or {})}, file)
                file.flush()
                os.fsync(file.fileno())
            self._partial.replace(self.path)
        except BaseException:
            self._partial.unlink(missing_ok=True)
            raise

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def trained(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that are trained, by name, on the model's own memory."""
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


def restore(model: torch.nn.Module, saved: Mapping[str, torch.Tensor]) -> None:
    """Put saved parameters back. Raises TrainingError where they are another model's."""
    own = trained(model)
    if {name: tensor.shape for name, tensor in own.items()} != {name: t.shape for name, t in saved.items()}:
        raise TrainingError(
            "the saved state is of a model with other parameters: the recipe was changed under way; give the "
            "job another name, or delete its state to begin the stage again"
        )
    for name, tensor in own.items():
        tensor.copy_(saved[name])
