"""FSDP2: each process keeps a part of every weight, its gradient and its optimiser state, and gathers a
block's weights only while it computes with them."""

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import (
    FSDPModule,
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from transformers.models.olmo3.modeling_olmo3 import Olmo3DecoderLayer

from training.core.parallel.world import World


def shard(model: Any, world: World) -> None:
    """Divide the model's weights among the processes, block by block, in place.

    On GPUs it computes in bf16 and adds gradients up in fp32; what is kept is fp32. `model.compute(f)` is
    then f() with the weights outside of the blocks (embedding, norm, head) gathered around it.
    """
    on_gpu = torch.cuda.is_available()
    mesh = init_device_mesh("cuda" if on_gpu else "cpu", (world.size,))
    precise = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    policy = precise if on_gpu else MixedPrecisionPolicy()
    for block in blocks(model):
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    model.compute = types.MethodType(_compute, model)
    register_fsdp_forward_method(model, "compute")


def shard_blocks(model: Any, world: World) -> None:
    """Divide only the blocks, which are most of a model that is read but not trained (DPO's reference)."""
    mesh = init_device_mesh("cuda" if torch.cuda.is_available() else "cpu", (world.size,))
    for block in blocks(model):
        fully_shard(block, mesh=mesh)


def blocks(model: Any) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, Olmo3DecoderLayer)]


@contextmanager
def gathered(model: Any) -> Iterator[None]:
    """Every process has all weights inside, to measure the model with: its modules can be called as they
    are. All processes enter and leave together; none of them talks to the others in between."""
    parts = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            part.set_reshard_after_forward(part is not model, recurse=False)


def whole_weights(model: Any) -> dict[str, Any]:
    """The whole model's weights in the first process's memory, fp32; nothing in the others'."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return get_model_state_dict(model, options=options)


def _compute(model: Any, function: Any) -> Any:
    return function()
