"""What llama.cpp has to know of an Olmo 2 or 3 model besides its weights, under its own names for it.

llama.cpp runs both as its architecture `olmo2`: with a sliding window on three of every four layers where the
file names one, and rotary positions in halves, so the weights go in as they are, without a permutation.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf

from training.core.errors import ExportRefused

ARCHITECTURE = gguf.MODEL_ARCH.OLMO2
TYPES = {"olmo2", "olmo3"}
PERIOD = 4


def check_settings(config: Mapping[str, Any]) -> None:
    """Raises ExportRefused for a model that llama.cpp would run as another than it is."""
    if config.get("model_type") not in TYPES:
        raise ExportRefused(
            f"a GGUF file is written of Olmo 2 and 3 models; this is {config.get('model_type')!r}: "
            "llama.cpp's own convert_hf_to_gguf.py takes the exported directory"
        )
    if config.get("attention_bias") or config.get("hidden_act", "silu") != "silu":
        raise ExportRefused("llama.cpp's olmo2 knows no attention biases and no activation but SiLU")
    layers = config["num_hidden_layers"]
    expected = ["sliding_attention" if (n + 1) % PERIOD else "full_attention" for n in range(layers)]
    if config["model_type"] == "olmo3" and config.get("layer_types") != expected:
        raise ExportRefused("llama.cpp's olmo2 has full attention on every fourth layer alone")
    rope_base(config)


def rope_base(config: Mapping[str, Any]) -> float:
    """The one base of all rotary positions. Raises ExportRefused where they are stretched (YaRN)."""
    rope = config.get("rope_parameters") or {}
    kinds = [kind for kind in rope.values() if isinstance(kind, dict)] or [rope]
    if config.get("rope_scaling"):
        kinds.append(config["rope_scaling"])
    if any(kind.get("rope_type", kind.get("type", "default")) != "default" for kind in kinds):
        raise ExportRefused(
            "the positions are stretched by YaRN, whose attention factor llama.cpp's versions apply "
            "differently: no GGUF file of it is written until that can be compared. Export without --gguf"
        )
    bases = {kind["rope_theta"] for kind in kinds if "rope_theta" in kind}
    bases |= {config["rope_theta"]} if "rope_theta" in config else set()
    if len(bases) != 1:
        raise ExportRefused(f"config.json gives rope_theta as {sorted(bases)}: llama.cpp's olmo2 has one")
    return float(bases.pop())


def add_settings(writer: gguf.GGUFWriter, config: Mapping[str, Any], name: str, about: str) -> None:
    writer.add_name(name)
    writer.add_description(about)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config.get("num_key_value_heads") or config["num_attention_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(rope_base(config))
    writer.add_vocab_size(config["vocab_size"])
    if config["model_type"] == "olmo3":
        writer.add_sliding_window(config["sliding_window"])
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config["layer_types"]])


def tensor_name(name: str, layers: int) -> str:
    """llama.cpp's name of a tensor. Raises ExportRefused for one that it has no place for."""
    found = gguf.get_tensor_name_map(ARCHITECTURE, layers).get_name(name, try_suffixes=(".weight",))
    if found is None:
        raise ExportRefused(f"llama.cpp's olmo2 has no place for the tensor {name}")
    return str(found)


def read_config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return config
