"""A model that is in training, written as an engine reads it: whole, an adapter merged in."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from training.core.adapters.adapted import has_adapter, merged_state
from training.core.tokenizer import write_template

WEIGHTS = "model.safetensors"


def write_weights(model: Any, tokenizer: Path, chat: str, folder: Path) -> None:
    """Replaces what is in `folder`, which nobody may be reading. Raises OSError where the disk refuses."""
    folder.mkdir(parents=True, exist_ok=True)
    state = merged_state(model) if has_adapter(model) else model.state_dict()
    if model.config.tie_word_embeddings:
        state = {name: tensor for name, tensor in state.items() if name != "lm_head.weight"}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    try:
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    except SafetensorError as error:  # its name for whatever the disk says
        raise OSError(str(error)) from error
    model.config.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((tokenizer / "tokenizer.json").read_bytes())
    write_template(folder, chat=chat, context=model.config.max_position_embeddings)
