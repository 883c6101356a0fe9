"""Everything that training can refuse or fail with, in one family.

A `TrainingError` is an expected failure: its message says what, which value and what to do next, and the job
ends as *failed*. Anything else that escapes a stage is a bug, and the job ends with its traceback.
"""

import errno


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine or its accelerator had no more memory. torch says it in three ways: as MemoryError,
    by an error of its own for accelerators, and on a CPU by a RuntimeError with these words."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


class TrainingError(Exception):
    """A failure that a person can act upon."""


class RecipeError(TrainingError):
    """A recipe or job configuration that cannot be used."""


class CorpusError(TrainingError):
    """Source material that is missing or cannot be read."""


class OrderError(TrainingError):
    """A data order that cannot exist, or a step or document outside of it."""


class DivergedError(TrainingError):
    """The loss or the gradient is no longer a number."""


class CheckpointError(TrainingError):
    """A checkpoint that is missing, damaged or of another kind than needed."""


class DatasetError(TrainingError):
    """An uploaded data set that cannot be taken or used."""


class EngineStartError(TrainingError):
    """An engine process could not be started, or could not take a checkpoint."""


class EngineLost(TrainingError):
    """An engine that answered during training does not any more, and starting it again did not help."""


class JobError(TrainingError):
    """Something asked of a job that it cannot do as it is."""


class ImportRefused(TrainingError):
    """A model's directory that cannot be imported."""


class ExportRefused(TrainingError):
    """A checkpoint that cannot be written in the form that was asked for."""
