"""Evaluating checkpoints: what the command, the worker and the page call."""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from tracing.models import Store
from tracing.services import open_store
from training.core.evaluation.contamination import find_items, to_json
from training.core.evaluation.items import Item, Task, TaskError, first_items, read_task
from training.core.threads import Governor, prepare_openmp
from training.core.verifiers.judge import Endpoint
from training.core.verifiers.verifiers import Verifiers
from training.lineage import lineage_stores
from training.models import Checkpoint, Evaluation, Flow
from training.traces import tracer_for

if TYPE_CHECKING:
    from training.core.evaluation.examine import Outcome, Settings

ITEMS_MAX = 100_000
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Examination:
    """What checkpoints are asked, and how."""

    task: str
    """arithmetic, library, or the path of a JSONL file."""
    samples: int = 1
    temperature: float = 1.0
    seed: int = 1
    limit: int | None = None
    """The first so many items; None for all (300 sums)."""

    def __post_init__(self) -> None:
        if self.limit is not None and not 1 <= self.limit <= ITEMS_MAX:
            raise TaskError(f"limit is {self.limit}: write 1 to {ITEMS_MAX:,}")
        self.drawing()

    def drawing(self) -> "Settings":
        """How answers are drawn. Raises TaskError for numbers that cannot be used."""
        from training.core.evaluation.examine import Settings  # torch comes with it

        return Settings(self.samples, self.temperature, self.seed)


def evaluate_checkpoint(
    checkpoint: Checkpoint, examination: Examination, progress: Progress | None = None
) -> Evaluation:
    """Puts the task to the checkpoint, looks for its items in the checkpoint's data, and keeps the result.

    `progress` is told of a phase and how much of it is done. Raises TrainingError for a task, checkpoint or
    verifier that cannot be used, TracingError for a store that cannot be read.
    """
    started, report = time.monotonic(), progress or (lambda phase, done, total: None)
    with Verifiers(judge=configured_judge()) as verifiers:
        task = find_task(checkpoint, examination, verifiers)
        contamination = look_for_items(checkpoint, task.items, report)
        outcome = sit(checkpoint, task, examination, verifiers, report)
    return Evaluation.objects.create(
        checkpoint=checkpoint,
        task=task.name,
        digest=task.digest,
        settings=asdict(examination) | {"task": task.name, "longest": task.longest},
        items=len(task.items),
        scores=outcome.scores,
        contamination=contamination,
        unprotected=outcome.missing,
        seconds=round(time.monotonic() - started, 2),
    )


def sit(
    checkpoint: Checkpoint, task: Task, examination: Examination, verifiers: Verifiers, report: Progress
) -> "Outcome":
    """The checkpoint's answers to the task, scored, on as many threads as there are free cores."""
    threads = settings.TRAINING_THREADS or os.cpu_count() or 1
    prepare_openmp(threads)
    from transformers.utils import logging

    from training.core.evaluation.examine import Student, examine  # torch comes with it
    from training.core.model import load_model

    logging.disable_progress_bar()  # of loading weights, which would break into ours
    student = Student(
        load_model(checkpoint.path),
        read_tokenizer(checkpoint),
        checkpoint.chat,
        thinking=checkpoint.thinking,
        completes_only=checkpoint.stage == "pretrain",
    )
    governor = Governor(threads)

    def progress(done: int, total: int) -> None:
        governor.adjust()
        report("answers", done, total)

    return examine(student, task, examination.drawing(), verifiers, progress)


def evaluate_queued(checkpoint_id: int, task: str, options: dict[str, Any]) -> None:
    """The same, as a worker is asked for it. A checkpoint that is gone by then is nobody's loss."""
    checkpoint = Checkpoint.objects.filter(pk=checkpoint_id).first()
    if checkpoint is not None:
        evaluate_checkpoint(checkpoint, Examination(task, **options))


def enqueue_evaluation(checkpoint: Checkpoint, examination: Examination) -> None:
    """Leaves the evaluation to a worker of the queue gpu."""
    from training.tasks import evaluate  # which imports this module

    options = asdict(examination)
    evaluate.delay(checkpoint.pk, options.pop("task"), options)


def find_task(checkpoint: Checkpoint, examination: Examination, verifiers: Verifiers) -> Task:
    """The task by its name or file. Raises TaskError."""
    from training.core.evaluation.demo_tasks import ARITHMETIC, LIBRARY, arithmetic_task

    if examination.task == ARITHMETIC:
        return arithmetic_task(numbers_known(data_of(checkpoint)), limit=examination.limit)
    if examination.task == LIBRARY:
        return first_items(find_library(checkpoint), examination.limit)
    path = Path(examination.task)
    if not path.is_file():
        raise TaskError(
            f"there is no task {examination.task!r}: name {ARITHMETIC}, {LIBRARY}, or a JSONL file"
        )
    return read_task(path, verifiers, limit=examination.limit)


def find_library(checkpoint: Checkpoint) -> Task:
    """The questions about the library that the flow's last conversations teach."""
    from training.core.evaluation.demo_tasks import library_task

    for store in reversed(data_of(checkpoint)):
        if store.stage.endswith("-sft"):
            return library_task(open_store(store), read_tokenizer(checkpoint))
    raise TaskError(f"{checkpoint}'s flow has no conversations about the library (no store of an SFT stage)")


def data_of(checkpoint: Checkpoint) -> list[Store]:
    """The stores of the checkpoint's whole flow, so that all its checkpoints are asked the same; of its
    lineage where it belongs to none."""
    if checkpoint.job is None:
        return lineage_stores(checkpoint)
    flow_stores = Store.objects.filter(checkpoints__job__flow=checkpoint.job.flow_id)
    return list(flow_stores.order_by("checkpoints__job__position", "pk").distinct())


def numbers_known(stores: Iterable[Store]) -> Any:
    """The range of the sums that the stores teach; two-digit numbers where none says so."""
    from training.core.arithmetic import Range
    from training.core.stages.setup import numbers_of

    return next((numbers for store in stores if (numbers := numbers_of(open_store(store)))), Range())


def look_for_items(checkpoint: Checkpoint, items: tuple[Item, ...], report: Progress) -> dict[str, Any]:
    """Which items occur in the checkpoint's own data; empty where no data of it is known."""
    if not lineage_stores(checkpoint):
        return {}
    found = find_items(tracer_for(checkpoint), items, lambda *done: report("data", *done))
    return to_json(found)


def read_tokenizer(checkpoint: Checkpoint) -> Any:
    from training.core.checkpoints import read_checkpoint
    from training.core.tokenizer import open_tokenizer_file

    read_checkpoint(checkpoint.path)  # says what is wrong with a directory that is gone
    return open_tokenizer_file(checkpoint.path)


def configured_judge() -> Endpoint | None:
    """The administrator's judge, if both its URL and its model are set."""
    if not (settings.JUDGE_URL and settings.JUDGE_MODEL):
        return None
    return Endpoint(settings.JUDGE_URL, settings.JUDGE_MODEL, settings.JUDGE_KEY)


def checkpoints_of(flow: Flow, *, intermediate: bool = False) -> list[Checkpoint]:
    """The flow's final checkpoints, or all of them, in its order."""
    rows = Checkpoint.objects.filter(job__flow=flow).select_related("job").order_by("job__position", "step")
    return list(rows if intermediate else rows.filter(final=True))
