"""A data set in the tokens of a checkpoint: its token store, how long its documents are, and which questions
of evaluations occur in it."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from tracing.core.errors import StoreExists
from tracing.core.stores.store import TokenStore
from tracing.core.trace import Tracer
from tracing.services import open_tokenizer
from training.core.chat import CHATML
from training.core.datasets.checking import good_rows
from training.core.datasets.documents import Upload
from training.core.datasets.measures import measure_store
from training.core.datasets.rows import CHAT, PREFERENCE, PROMPT
from training.core.datasets.store import StorePlan, build_store
from training.core.evaluation.contamination import find_items
from training.core.evaluation.items import TaskError
from training.core.verifiers.verifiers import Verifiers
from training.datasets.models import Dataset
from training.evaluations import Examination, configured_judge, find_task
from training.models import Checkpoint

FINDINGS_LISTED = 20
EVALUATIONS = ("arithmetic", "library")
"""The demo's own, by their names for `evaluate`; a checkpoint that knows neither is asked neither."""
Progress = Callable[[int], None]


def measure(dataset: Dataset, checkpoint: Checkpoint, progress: Progress | None = None) -> dict[str, Any]:
    """What the page shows of a data set in the tokens of a checkpoint; its store is made where it is not.

    Raises TrainingError or TracingError."""
    folder = make_store(dataset, checkpoint, progress)
    with TokenStore.open(folder) as store:
        overlaps = [overlap(store, checkpoint, task) for task in EVALUATIONS]
        return {
            **measure_store(store),
            "store": folder.name,
            "stage": store.manifest.stage,
            "overlaps": [found for found in overlaps if found is not None],
        }


def make_store(dataset: Dataset, checkpoint: Checkpoint, progress: Progress | None = None) -> Path:
    """The directory of the data set's token store for the checkpoint, published unless it is there."""
    folder = store_folder(dataset, checkpoint)
    if folder.exists():
        return folder
    chat = CHATML if dataset.format in (CHAT, PREFERENCE) else checkpoint.chat
    functions = bool(dataset.report.get("functions"))
    upload = Upload(dataset.public_id, dataset.name, dataset.licence or "not stated", chat, functions)
    plan = StorePlan(folder, stage_of(dataset, checkpoint), upload, checkpoint.path)
    # StoreExists: another process was faster, with the same rows and tokenizer.
    with Verifiers(judge=configured_judge()) as verifiers, suppress(StoreExists):
        build_store(plan, good_rows(dataset.path, dataset.format, verifiers), progress)
    return folder


def store_folder(dataset: Dataset, checkpoint: Checkpoint) -> Path:
    """Named by us: the data set, the stage that its documents are for, and the tokenizer."""
    tokenizer = checkpoint.tokenizer.removeprefix("sha256:")[:6]
    name = f"data-{dataset.pk.hex[:16]}-{stage_of(dataset, checkpoint)}-{tokenizer}"
    return settings.HOME / "stores" / name


def stage_of(dataset: Dataset, checkpoint: Checkpoint) -> str:
    """The stage that its documents are of in a trace: by what the rows are and whether they think."""
    if dataset.format == PROMPT:
        if checkpoint.chat != CHATML:
            return "rl-zero"
        return "think-rlvr" if checkpoint.thinking else "instruct-rlvr"
    kind = "dpo" if dataset.format == PREFERENCE else "sft"
    thinks = dataset.report.get("thinks") or (dataset.format == PREFERENCE and checkpoint.thinking)
    return f"think-{kind}" if thinks else f"instruct-{kind}"


def overlap(store: TokenStore, checkpoint: Checkpoint, name: str) -> dict[str, Any] | None:
    """Which of an evaluation's questions occur in the store, with the rows; None where the checkpoint is not
    asked them."""
    with Verifiers() as verifiers:
        try:
            task = find_task(checkpoint, Examination(name), verifiers)
        except TaskError:
            return None
    found = find_items(Tracer([store], open_tokenizer(checkpoint.path)), task.items)
    rows = [
        {
            "row": store.metadata(one.document)["row"],
            "question": one.question,
            "exact": one.exact,
            "overlap": one.overlap,
        }
        for one in found.findings[:FINDINGS_LISTED]
    ]
    return {"task": name, "items": found.items, "found": found.found, "exact": found.exact, "rows": rows}
