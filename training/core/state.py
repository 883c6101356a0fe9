"""Where a stage goes on from after it was killed: weights, optimiser and step, in one file that is replaced
whole."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.core.adapters.adapted import adapter_state, has_adapter
from training.core.errors import TrainingError


@dataclass(frozen=True)
class SavedState:
    """The state after `step` steps. Nothing random is left to save: the data order is a function of the step,
    and so is what an adapter drops out."""

    step: int
    model: dict[str, torch.Tensor]
    optimizer: dict[str, Any]


def trained_state(model: Any) -> dict[str, torch.Tensor]:
    """What a stage changes: all weights, or those of the adapter alone."""
    return adapter_state(model) if has_adapter(model) else model.state_dict()


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

    def save(self, step: int, model: Any, optimizer: torch.optim.Optimizer) -> None:
        """Replace the state. On an error of the disk (OSError) the state before stays."""
        try:
            with self._partial.open("wb") as file:
                torch.save(
                    {"step": step, "model": trained_state(model), "optimizer": optimizer.state_dict()}, file
                )
                file.flush()
                os.fsync(file.fileno())
            self._partial.replace(self.path)
        except BaseException:
            self._partial.unlink(missing_ok=True)
            raise

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
