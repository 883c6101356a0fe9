"""A model with an adapter in it: what learns, what it was before, what it is merged. Without importing peft,
which takes seconds that a stage without adapters need not spend."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

TRAINED, START = "default", "start"
"""Names of the adapter that learns, and of the frozen one that it went on from, if it did."""


def has_adapter(model: Any) -> bool:
    return bool(getattr(model, "_hf_peft_config_loaded", False))


def adapter_state(model: Any) -> dict[str, torch.Tensor]:
    """All that learns: the weights of the adapter, by their names in the model."""
    return {name: p.detach() for name, p in model.named_parameters() if f".{TRAINED}." in name}


@contextmanager
def as_it_began(model: Any) -> Iterator[None]:
    """Inside, the model is what it was before the stage: its base, with the adapter that it went on from."""
    training = model.training
    model.eval()
    if START in model.peft_config:
        model.set_adapter(START)
    else:
        model.disable_adapters()
    try:
        yield
    finally:
        model.enable_adapters()
        model.set_adapter(TRAINED)
        model.train(training)


def merged_state(model: Any) -> dict[str, torch.Tensor]:
    """The weights of the model with its adapter merged in, by the names of a model without one: what an
    engine takes. The model itself stays as it is."""
    merged = {
        name.replace(".base_layer.", "."): tensor
        for name, tensor in model.state_dict().items()
        if ".lora_" not in name
    }
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight"):
            merged[f"{name}.weight"] = merged[f"{name}.weight"] + module.get_delta_weight(TRAINED)
    return merged
