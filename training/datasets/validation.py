"""What a worker does with a data set: check every row, then count it in a checkpoint's tokens."""

import logging
import time
from contextlib import suppress

from tracing.core.errors import TracingError
from training.core.datasets.checking import Findings, check_rows
from training.core.errors import TrainingError
from training.core.verifiers.verifiers import Verifiers
from training.datasets import work
from training.datasets.choices import suggested_checkpoint
from training.datasets.measuring import measure
from training.datasets.models import Dataset, DatasetState
from training.evaluations import configured_judge
from training.heartbeats import beating

log = logging.getLogger(__name__)

BEAT_S = 1.0
HERE_BYTES_MAX = 4 * 2**20
"""What is checked at once where somebody waits for it: a second's work."""
WAIT_S = 10.0
POLL_S = 0.1


def work_on(key: str) -> None:
    """Does what is to be done for a data set; nothing where another worker is at it, or it is gone."""
    dataset = work.claim(key)
    if dataset is None:
        return
    try:
        with beating(Dataset.objects.held_by(dataset.worker)):
            if dataset.state in (DatasetState.WAITING, DatasetState.CHECKING):
                validate_dataset(dataset)
            if dataset.is_ready and dataset.measuring is not None:
                measure_now(dataset)
    except work.LostDataset as error:
        log.warning("%s", error)
    else:
        work.release(dataset)


def check_here(dataset: Dataset) -> Dataset:
    """The data set as it is now: a small one is checked at once unless a worker is at it, which is waited
    for a little."""
    if dataset.size_bytes <= HERE_BYTES_MAX and (held := work.claim(str(dataset.pk))) is not None:
        with suppress(work.LostDataset):
            if held.state in (DatasetState.WAITING, DatasetState.CHECKING):
                validate_dataset(held)
            work.release(held)
    deadline = time.monotonic() + WAIT_S
    dataset.refresh_from_db()
    while dataset.state == DatasetState.CHECKING and time.monotonic() < deadline:
        time.sleep(POLL_S)
        dataset.refresh_from_db()
    return dataset


def validate_dataset(dataset: Dataset) -> None:
    """Checks every row, and writes what was found. Raises LostDataset."""
    work.change(dataset, state=DatasetState.CHECKING, checked_bytes=0, error="")
    try:
        with Verifiers(judge=configured_judge()) as verifiers:
            found = check_rows(dataset.path, verifiers, Beat(dataset))
    except TrainingError as error:
        work.change(dataset, state=DatasetState.FAILED, error=str(error))
        return
    except work.LostDataset:
        raise
    except Exception as error:
        log.exception("%s could not be checked", dataset)
        work.change(dataset, state=DatasetState.FAILED, error=f"{type(error).__name__}: {error}")
        return
    settle(dataset, found)


def settle(dataset: Dataset, found: Findings) -> None:
    """Writes the report, and has a sound data set counted next, in the tokens of a likely checkpoint."""
    bad, state = found.problems.total, DatasetState.READY
    if bad:
        state = DatasetState.FAULTY if found.rows and not found.stopped else DatasetState.FAILED
    error = (found.stopped or "none of its rows can be used") if state == DatasetState.FAILED else ""
    work.change(
        dataset,
        state=state,
        format=found.format,
        rows=found.rows,
        report=found.to_json(),
        error=error,
        checked_bytes=dataset.size_bytes,
        measuring=suggested_checkpoint(found.format) if state == DatasetState.READY else None,
    )


def measure_now(dataset: Dataset) -> None:
    """Counts it in the tokens of the checkpoint that was asked about. Raises LostDataset."""
    checkpoint = dataset.measuring
    assert checkpoint is not None  # else nothing was asked
    try:
        measured = measure(dataset, checkpoint, Beat(dataset))
    except (TrainingError, TracingError) as error:
        measured = {"error": str(error)}
    except work.LostDataset:
        raise
    except Exception as error:
        log.exception("%s could not be counted in the tokens of %s", dataset, checkpoint)
        measured = {"error": f"{type(error).__name__}: {error}"}
    measures = {**dataset.report.get("measures", {}), checkpoint.name: measured}
    tokens = measured.get("tokens", dataset.tokens)
    report = {**dataset.report, "measures": measures}
    work.change(dataset, report=report, tokens=tokens)
    # Another checkpoint that was asked about meanwhile is next.
    Dataset.objects.filter(pk=dataset.pk, measuring=checkpoint).update(measuring=None)


class Beat:
    """Says how far a reading has come, and ends it where the data set is in other hands."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset, self._beaten_at = dataset, time.monotonic()

    def __call__(self, done: int) -> None:
        if time.monotonic() - self._beaten_at > BEAT_S:
            self._beaten_at = time.monotonic()
            checking = self._dataset.state == DatasetState.CHECKING
            work.change(self._dataset, **({"checked_bytes": done} if checking else {}))
