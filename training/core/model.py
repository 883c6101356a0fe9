"""Making, loading and running the model: transformers' own `Olmo3ForCausalLM`."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, Olmo3Config, Olmo3ForCausalLM

from training.core.adapters.files import base_folder, is_adapter
from training.core.errors import CheckpointError
from training.core.recipe import ModelRecipe

FASTER_IN_BF16 = ("avx512_bf16", "amx_bf16")


def new_model(recipe: ModelRecipe, *, vocabulary_size: int, ids: dict[str, int], seed: int) -> Any:
    """A model with random weights that depend on `seed` alone. `ids`: id of pad, end_of_text and turn_end."""
    torch.manual_seed(seed)
    model: Any = Olmo3ForCausalLM(_config(recipe, vocabulary_size, ids))
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(0.0, recipe.embedding_std)
    model.to(device())
    return model


def load_model(folder: Path) -> Any:
    """The model of a checkpoint directory, in fp32; an adapter merged into its base. Raises
    CheckpointError."""
    if is_adapter(folder):
        from training.core.adapters.lora import merge_into  # peft takes a while to import

        return merge_into(load_model(base_folder(folder)), folder)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{folder} cannot be loaded as a language model: {error}") from error
    model.to(device())
    return model


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast() -> AbstractContextManager[None]:
    """bf16 for the matrix products, where the processor has instructions for it."""
    return torch.autocast(device().type, torch.bfloat16, enabled=has_bf16())


def has_bf16() -> bool:
    if device().type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in FASTER_IN_BF16)


def padded_vocabulary(size: int) -> int:
    """The vocabulary as the matrices have it: a multiple of 64 (Megatron-LM pads likewise)."""
    return -(-size // 64) * 64


def _config(recipe: ModelRecipe, vocabulary_size: int, ids: dict[str, int]) -> Olmo3Config:
    rope = {"rope_type": "default", "rope_theta": recipe.rope_theta}
    return Olmo3Config(
        vocab_size=padded_vocabulary(vocabulary_size),
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        max_position_embeddings=recipe.context,
        sliding_window=recipe.sliding_window,
        tie_word_embeddings=recipe.tied,
        rms_norm_eps=1e-6,
        # One entry for each kind of layer: a flat table is accepted too, and means something else.
        rope_parameters={"sliding_attention": dict(rope), "full_attention": dict(rope)},
        pad_token_id=ids["pad"],
        bos_token_id=ids["end_of_text"],
        eos_token_id=[ids["end_of_text"], ids["turn_end"]],
    )
