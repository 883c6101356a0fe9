"""LoRA by peft, put into the model in place: it stays the class that it was, so that every objective, actor
and evaluation goes on with it as with any model.

"LoRA: Low-Rank Adaptation of Large Language Models", Hu et al., arXiv 2106.09685.
"""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from safetensors.torch import load_file

from training.core.adapters.adapted import START, TRAINED
from training.core.checkpoints import ADAPTER_WEIGHTS
from training.core.errors import CheckpointError, RecipeError
from training.core.recipe import AdapterRecipe

PREFIX = "base_model.model."


def add_adapter(model: Any, recipe: AdapterRecipe, *, seed: int) -> None:
    """Give the model a fresh adapter, which changes nothing yet, and freeze everything else.

    Raises RecipeError for a target that the model has not.
    """
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=targets_in(model, recipe.targets),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model.add_adapter(config, TRAINED)


def continue_adapter(model: Any, recipe: AdapterRecipe, folder: Path) -> None:
    """Give the model the adapter in `folder` to go on with, and a frozen copy of it to compare with.

    Raises RecipeError where the recipe asks for another shape, CheckpointError for a damaged file.
    """
    check_shape(recipe, read_config(folder), targets_in(model, recipe.targets), folder.name)
    for name in (START, TRAINED):
        config = read_config(folder)
        config.lora_dropout, config.inference_mode = recipe.dropout, name == START
        model.add_adapter(config, name)
        put_weights(model, read_weights(folder), name)
    model.set_adapter(TRAINED)


def forget_base(model: Any) -> None:
    """Keep peft from asking the Hub about the base when it saves: a checkpoint's manifest names it."""
    for config in model.peft_config.values():
        config.base_model_name_or_path = None


def targets_in(model: Any, wanted: tuple[str, ...]) -> list[str]:
    """The names of the linear layers to adapt: those wanted, or all but the output head. Raises
    RecipeError."""
    head = model.get_output_embeddings()
    linear = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    for name in wanted:
        if name not in linear:
            raise RecipeError(f"adapter.targets names {name!r}: choose of {', '.join(sorted(linear))}")
    return sorted(wanted or linear)


def check_shape(recipe: AdapterRecipe, config: LoraConfig, targets: list[str], name: str) -> None:
    asked = {"rank": recipe.rank, "alpha": recipe.alpha, "targets": targets}
    found = {"rank": config.r, "alpha": config.lora_alpha, "targets": sorted(config.target_modules or ())}
    for key, value in asked.items():
        if value != found[key]:
            raise RecipeError(
                f"adapter.{key} is {value}, and {name} is an adapter of {found[key]}: take that to go on "
                f"with it, or merge it first (manage.py merge_adapter {name}) and start from what comes out"
            )


def merge_into(model: Any, folder: Path) -> Any:
    """The model with the adapter in `folder` merged into its weights, and no trace of peft."""
    config = read_config(folder)
    config.inference_mode = True
    model.add_adapter(config, TRAINED)
    put_weights(model, read_weights(folder), TRAINED)
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge(safe_merge=True)
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())
    del model.peft_config
    model._hf_peft_config_loaded = False
    return model.requires_grad_(True)


def read_config(folder: Path) -> LoraConfig:
    """Raises CheckpointError for what is no LoRA configuration."""
    try:
        config = LoraConfig.from_pretrained(str(folder))
    except Exception as error:  # peft raises many kinds for a damaged file
        raise CheckpointError(f"{folder}: adapter_config.json cannot be read ({error})") from error
    if not isinstance(config, LoraConfig):
        raise CheckpointError(f"{folder} holds a {config.peft_type} adapter: only LoRA can be used")
    return config


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    try:
        return dict(load_file(folder / ADAPTER_WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder / ADAPTER_WEIGHTS} cannot be read: {error}") from error


def put_weights(model: Any, weights: dict[str, torch.Tensor], name: str) -> None:
    """Raises CheckpointError unless they are just those of the adapter called `name`."""
    own = {key.replace(f".{name}.", "."): p for key, p in model.named_parameters() if f".{name}." in key}
    given = {key.removeprefix(PREFIX): tensor for key, tensor in weights.items()}
    shapes = {key: tuple(p.shape) for key, p in own.items()}
    if shapes != {key: tuple(tensor.shape) for key, tensor in given.items()}:
        raise CheckpointError("the adapter's weights are not of the layers and shapes that its base has")
    set_peft_model_state_dict(model, given, adapter_name=name)
