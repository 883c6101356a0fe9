"""Exporting checkpoints: what the command and the registry's page call."""

from pathlib import Path
from typing import TYPE_CHECKING

from accounts.audit import Actor, record_act
from tracing.core.errors import StoreError
from tracing.services import open_store, open_tokenizer
from training.core.copying import Progress
from training.exchange.card import model_card
from training.lineage import lineage_stores
from training.models import Checkpoint

if TYPE_CHECKING:
    from training.core.exporting.gguf_file import Precision

TEXTS_OF_A_STORE = 100


def export_model(
    *,
    checkpoint: Checkpoint,
    folder: Path,
    by: Actor,
    gguf: "Precision | None" = None,
    progress: Progress | None = None,
) -> Path:
    """Write the checkpoint to the new directory `folder`, with its card, and as a GGUF file beside it where
    that is asked for in a precision. `progress` is told of bytes of the weights.

    Raises ExportRefused for a directory that is taken or a model that has no GGUF, CheckpointError for a
    checkpoint that is not there, StoreError where the disk refuses. Then nothing is left in `folder`.
    """
    from training.core.exporting.hugging_face import write_hugging_face  # torch comes with it

    def write_beside(exported: Path) -> None:
        if gguf is not None:
            from training.core.exporting.gguf_file import write_gguf

            path = exported / f"{checkpoint.name}-{gguf}.gguf"
            texts = sample_texts(checkpoint)
            write_gguf(exported, path, name=checkpoint.name, texts=texts, precision=gguf)

    write_hugging_face(checkpoint.path, folder, model_card(checkpoint), write_beside, progress)
    record_act(by=by, action="export a model", object_type="checkpoint", object_id=checkpoint.pk,
               label=checkpoint.name, detail={"gguf": gguf or ""})  # fmt: skip
    return folder


def sample_texts(checkpoint: Checkpoint) -> list[str]:
    """Documents from each store behind the checkpoint, evenly spaced: what its tokenizer was made for."""
    tokenizer, texts = open_tokenizer(checkpoint.path), list[str]()
    for row in lineage_stores(checkpoint):
        try:
            store = open_store(row)
        except StoreError:
            continue  # on another machine, or damaged: the other stores will do
        step = max(1, store.documents // TEXTS_OF_A_STORE)
        texts += [tokenizer.decode(store.token_ids(number))[0] for number in range(0, store.documents, step)][
            :TEXTS_OF_A_STORE
        ]
    return texts
