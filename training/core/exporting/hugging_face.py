"""A checkpoint as a directory that transformers, vLLM and the Hub take, with its card."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tracing.core.building.partial import PartialDirectory
from training.core.adapters.files import is_adapter
from training.core.checkpoints import MANIFEST, read_checkpoint, weight_files
from training.core.copying import Progress, copy_files
from training.core.errors import ExportRefused
from training.core.model import load_model

COPIED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
          "special_tokens_map.json", "chat_template.jinja", "model.safetensors.index.json",
          MANIFEST)  # fmt: skip
CARD = "README.md"
Beside = Callable[[Path], None]


def write_hugging_face(
    folder: Path, target: Path, card: str, beside: Beside | None = None, progress: Progress | None = None
) -> None:
    """Write the checkpoint in `folder` to the new directory `target`: the files of a whole one byte for byte,
    an adapter merged into its base. `beside` writes what else is to lie there, in the same all or nothing.
    `progress` is told how far the weights are.

    Raises ExportRefused where `target` is taken, tracing's StoreError where the disk refuses.
    """
    read_checkpoint(folder)
    if target.exists():
        raise ExportRefused(f"{target} is there already: name a directory that is not, it is made")
    partial = PartialDirectory(target)
    try:
        with partial.guard("exporting the checkpoint"):
            write_files(folder, partial.path, progress)
            (partial.path / CARD).write_text(card)
            if beside is not None:
                beside(partial.path)
            partial.publish()
    except BaseException:
        partial.remove()
        raise


def write_files(folder: Path, target: Path, progress: Progress | None) -> None:
    if is_adapter(folder):
        model = load_model(folder)
        model.save_pretrained(target)
    else:
        copy_files(weight_files(folder), target, progress)
    for name in COPIED:
        if (folder / name).exists() and not (target / name).exists():
            shutil.copyfile(folder / name, target / name)
