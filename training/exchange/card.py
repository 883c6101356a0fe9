"""The model card of an exported checkpoint: what it is made from, and what it scored."""

import json
import re
from collections.abc import Sequence
from typing import Any

from huggingface_hub import ModelCardData

from tracing.models import Store
from training.core.checkpoints import CheckpointManifest, read_checkpoint
from training.evaluation_report import badge_words, score_words
from training.lineage import Lineage
from training.models import Checkpoint, Evaluation

LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*")
MARKS = re.compile(r"([\\`*_\[\]<>|#])")


def model_card(checkpoint: Checkpoint) -> str:
    """README.md, with the header that the Hub reads."""
    stages = ("checkpoint", "stage", "step", "weights")
    behind, manifest = Lineage.of(checkpoint), read_checkpoint(checkpoint.path)
    parts = [
        f"---\n{header(checkpoint, behind.stores)}\n---",
        f"# {checkpoint.name}",
        introduction(checkpoint, manifest),
        "## How to use it\n\n```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'model = AutoModelForCausalLM.from_pretrained("DIRECTORY")\n'
        'tokenizer = AutoTokenizer.from_pretrained("DIRECTORY")\n```',
        "## Stages\n\n" + table(stages, map(stage_row, behind.checkpoints)),
        "## Data\n\n" + data(behind.stores),
        "## Scores\n\n" + scores(checkpoint),
        "## Licence\n\n" + licence_words(behind.stores),
        "## Configuration\n\n```json\n" + json.dumps(manifest.config, indent=1, sort_keys=True) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def header(checkpoint: Checkpoint, stores: Sequence[Store]) -> str:
    licences = {store.licence.lower() for store in stores}
    one = licences.pop() if len(licences) == 1 else ""
    known = one if LICENCE.fullmatch(one) else "other"
    tags = ["headwater", checkpoint.stage] + (["conversational"] if checkpoint.chat == "chatml" else [])
    data = ModelCardData(
        license=known, library_name="transformers", pipeline_tag="text-generation", tags=tags
    )
    return str(data.to_yaml()).strip()


def introduction(checkpoint: Checkpoint, manifest: CheckpointManifest) -> str:
    where = "the last" if checkpoint.final else f"step {checkpoint.step:,} of {checkpoint.steps:,}"
    commit = f" by commit `{manifest.code_commit}`" if manifest.code_commit else ""
    adapter = f" It is a LoRA adapter, merged into {checkpoint.base}." if checkpoint.base else ""
    return (
        f"A checkpoint of the stage {escape(checkpoint.stage)} ({where}), made{commit} on "
        f"{checkpoint.created_at:%Y-%m-%d}.{adapter} Its weights have the digest `{checkpoint.digest}`, its "
        f"tokenizer `{checkpoint.tokenizer}`. `manifest.json` says the same for programs."
    )


def stage_row(checkpoint: Checkpoint) -> Sequence[str]:
    step = f"{checkpoint.step:,} of {checkpoint.steps:,}"
    return checkpoint.name, checkpoint.stage, step, checkpoint.digest


def data(stores: Sequence[Store]) -> str:
    if not stores:
        return "What it was trained on is not known."
    heads = ("store", "stage", "source", "licence", "documents", "tokens", "digest")
    return table(heads, map(store_row, stores))


def store_row(store: Store) -> Sequence[str]:
    counts = f"{store.documents:,}", f"{store.tokens:,}"
    return store.name, store.stage, store.source, store.licence, *counts, store.digest


def scores(checkpoint: Checkpoint) -> str:
    own = [(name, f"{value:.4g}") for name, value in checkpoint.scores.items() if is_number(value)]
    parts = [table(("as its stage ended", "score"), own)] if own else []
    found = list(Evaluation.objects.filter(checkpoint=checkpoint).order_by("task", "-created_at"))
    if found:
        heads = ("task", "items", "greedy", "sampled", "of its questions in the model's data")
        parts.append(table(heads, map(evaluation_row, found)))
    return "\n\n".join(parts) or "It has not been evaluated."


def evaluation_row(one: Evaluation) -> Sequence[str]:
    told = [score_words(one.scores, name) for name in ("greedy", "sampled")]
    return one.task, f"{one.items:,}", *told, badge_words(one)


def licence_words(stores: Sequence[Store]) -> str:
    licences = sorted({store.licence for store in stores if store.licence})
    if not licences:
        return "The licences of its data are not known."
    listed = "; ".join(escape(licence) for licence in licences)
    return f"Its data are under: {listed}. What that means for the weights is for whoever shares them to say."


def table(heads: Sequence[str], rows: Any) -> str:
    """Markdown, with whatever the cells hold as plain text."""
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    lines += [" | ".join(escape(cell) for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def escape(text: str) -> str:
    return MARKS.sub(r"\\\1", " ".join(str(text).split()))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
