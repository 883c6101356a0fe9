"""A checkpoint as one GGUF file, for llama.cpp and what is built on it, written by its own package."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from training.core.checkpoints import weight_files
from training.core.exporting.gguf_settings import (
    ARCHITECTURE,
    add_settings,
    check_settings,
    read_config,
    tensor_name,
)
from training.core.exporting.gguf_vocabulary import Vocabulary, add_vocabulary, read_vocabulary

Precision = Literal["f32", "f16"]
FILE_TYPES = {"f32": gguf.LlamaFileType.ALL_F32, "f16": gguf.LlamaFileType.MOSTLY_F16}


def write_gguf(
    folder: Path, path: Path, *, name: str, texts: Sequence[str], precision: Precision
) -> Vocabulary:
    """Write the whole model in the Hugging Face directory `folder` to the file `path`.

    Norms and biases stay in f32, as llama.cpp wants them; matrices are in `precision`. `texts` are tried to
    find out how llama.cpp has to cut text. One tensor is in memory at a time. Raises ExportRefused for what
    llama.cpp would run or tokenise as something else.
    """
    config = read_config(folder)
    check_settings(config)
    vocabulary = read_vocabulary(folder, config["vocab_size"], texts)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[ARCHITECTURE])
    try:
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_file_type(FILE_TYPES[precision])
        add_settings(writer, config, name, about(vocabulary))
        add_vocabulary(writer, vocabulary)
        write_tensors(writer, folder, config["num_hidden_layers"], precision)
    finally:
        writer.close()
    return vocabulary


def about(vocabulary: Vocabulary) -> str:
    cut = vocabulary.cut
    return (
        f"Exported by Headwater. llama.cpp cuts text as {cut.name} does: of {cut.tried} texts tried "
        f"{cut.alike} get the same token ids as in training."
    )


def write_tensors(writer: gguf.GGUFWriter, folder: Path, layers: int, precision: Precision) -> None:
    """First every tensor's name and shape, then the numbers, each read when its turn comes."""
    for name, array in arrays(folder, precision):
        writer.add_tensor_info(tensor_name(name, layers), array.shape, array.dtype, array.nbytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for _, array in arrays(folder, precision):
        writer.write_tensor_data(array)


def arrays(folder: Path, precision: Precision) -> Iterator[tuple[str, NDArray[Any]]]:
    for path in weight_files(folder):
        with safe_open(path, "pt") as file:
            for name in sorted(file.keys()):
                tensor = file.get_tensor(name).to(torch.float32).numpy()
                half = precision == "f16" and tensor.ndim > 1
                yield name, tensor.astype(np.float16) if half else tensor
