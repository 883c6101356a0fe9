"""What llama.cpp has to know of an Olmo 2 or 3 model besides its weights, under its own names for it.

llama.cpp runs both as its architecture `olmo2`: with a sliding window on three of every four layers where the
file names one, and rotary positions in halves, so the weights go in as they are, without a permutation.
"""

import json
import math
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
    """The one base of all rotary positions. Raises ExportRefused where there are two, or they are stretched
    in another way than by YaRN on the layers with full attention."""
    sliding, full = rope_kinds(config)
    known = {"default", "yarn"} if config["model_type"] == "olmo3" else {"default"}
    if sliding.get("rope_type", "default") != "default" or full.get("rope_type", "default") not in known:
        raise ExportRefused("llama.cpp's olmo2 stretches positions by YaRN alone, on full attention alone")
    if full.get("rope_type") == "yarn":
        check_yarn(full)
    bases = {kind.get("rope_theta") for kind in (sliding, full)}
    if len(bases) != 1 or None in bases:
        raise ExportRefused(f"config.json gives rope_theta as {bases}: llama.cpp's olmo2 has one")
    return float(sliding["rope_theta"])


def check_yarn(rope: Mapping[str, Any]) -> None:
    """Raises ExportRefused unless it is YaRN with the usual settings, which llama.cpp has built in."""
    usual = {"attention_factor": 0.1 * math.log(rope["factor"]) + 1, "beta_fast": 32.0, "beta_slow": 1.0}
    for name, value in usual.items():
        if not math.isclose(rope.get(name) or value, value, rel_tol=1e-6):
            raise ExportRefused(
                f"YaRN's {name} is {rope[name]}: only {value:.6g} was compared with llama.cpp. "
                "Export without --gguf"
            )


def rope_kinds(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The positions of layers with a sliding window, and of those with full attention."""
    rope = config.get("rope_parameters") or {}
    if "full_attention" in rope:
        return rope["sliding_attention"], rope["full_attention"]
    flat = {"rope_theta": config.get("rope_theta"), **rope}
    scaling = config.get("rope_scaling") or {}
    return flat, {**flat, **scaling, "rope_type": scaling.get("rope_type", flat.get("rope_type", "default"))}


def add_yarn(writer: gguf.GGUFWriter, config: Mapping[str, Any]) -> None:
    """How far the positions of full attention are stretched, if they are. llama.cpp leaves the others.

    No attention factor is written: llama.cpp applies the usual one by itself, and would square it."""
    _, full = rope_kinds(config)
    if full.get("rope_type") != "yarn":
        return
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(full["factor"])
    writer.add_rope_scaling_orig_ctx_len(full["original_max_position_embeddings"])


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
    add_yarn(writer, config)
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
