"""What an engine must know of a checkpoint's files: whether it can take them without a restart, and sizes."""

import hashlib
import json
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

from training.core.errors import EngineStartError

# Of config.json: what may differ between checkpoints of one architecture.
INCIDENTAL = {
    "_name_or_path",
    "transformers_version",
    "eos_token_id",
    "bos_token_id",
    "pad_token_id",
    "use_cache",
}
HEADER_BYTES = 100 * 2**20
KV_SEQUENCES = 8
"""Answers of full length that the key-value cache holds at once; shorter ones, in proportion, are more."""
LEAST_KV_BYTES = 64 * 2**20


@lru_cache(maxsize=256)
def weights_shape(directory: Path) -> str:
    """Digest of everything but the weights' values: an engine swaps between checkpoints that agree in it.

    Raises EngineStartError where the checkpoint cannot be served at all.
    """
    configuration = read_config(directory / "config.json")
    if not configuration:
        raise EngineStartError(f"{directory} has no config.json: restore or remove this checkpoint.")
    kept = {key: value for key, value in configuration.items() if key not in INCIDENTAL}
    tensors = [header for path in weight_files(directory) for header in tensor_shapes(path)]
    content = json.dumps([kept, sorted(tensors)], sort_keys=True).encode()
    return hashlib.sha256(content + (directory / "tokenizer.json").read_bytes()).hexdigest()


def weight_files(directory: Path) -> list[Path]:
    files = sorted(directory.glob("*.safetensors"))
    if not files:
        raise EngineStartError(f"{directory} has no *.safetensors: restore or remove this checkpoint.")
    return files


def tensor_shapes(path: Path) -> list[tuple[str, str, list[int]]]:
    """Name, dtype and shape of each tensor, from the header of a safetensors file."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > HEADER_BYTES:
                raise ValueError(f"its header claims {size} bytes")
            header = json.loads(file.read(size))
        return [(name, t["dtype"], t["shape"]) for name, t in header.items() if name != "__metadata__"]
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineStartError(f"{path} is no safetensors file ({error}): restore the checkpoint.") from error


def dtype(directory: Path) -> str:
    """float32 is asked for by name, because engines otherwise serve it in half of its bits."""
    configuration = read_config(directory / "config.json")
    stored = configuration.get("dtype") or configuration.get("torch_dtype")
    return "float32" if stored in {"float32", None} else "auto"


def kv_cache_bytes(directory: Path) -> int:
    """Memory for the keys and values of KV_SEQUENCES sequences as long as the model reads."""
    c = read_config(directory / "config.json")
    heads = whole(c, "num_attention_heads")
    head_size = c.get("head_dim") or whole(c, "hidden_size") // heads
    kv_heads = c.get("num_key_value_heads") or heads
    token = (
        2 * whole(c, "num_hidden_layers") * kv_heads * head_size * (4 if dtype(directory) == "float32" else 2)
    )
    return max(LEAST_KV_BYTES, KV_SEQUENCES * token * whole(c, "max_position_embeddings"))


def whole(configuration: dict[str, Any], name: str) -> int:
    value = configuration.get(name)
    if not isinstance(value, int) or value < 1:
        raise EngineStartError(f"config.json gives {name} as {value!r}: restore or remove this checkpoint.")
    return value


def read_config(path: Path) -> dict[str, Any]:
    """An object from a file; empty where there is no such file."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise EngineStartError(f"{path} is not JSON ({error}): restore the checkpoint.") from error
    return content if isinstance(content, dict) else {}
