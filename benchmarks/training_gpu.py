"""A training step of Olmo 3 7B's shape on one GPU: bf16 autocast over fp32 weights, activation checkpointing,
fused AdamW; with fewer layers where it does not fit."""

# ruff: noqa: N806  (capitals at the end of a name are the array's shape)

import argparse
import time
from dataclasses import replace
from typing import Any

import torch

from benchmarks.measuring import Row
from training.core.batches import Batch
from training.core.gauge import memory_bytes, new_gauge
from training.core.loss import next_token_loss
from training.core.model import autocast, device, new_model
from training.core.optim import new_optimizer
from training.core.recipe import ModelRecipe, PretrainRecipe

SHAPES = {
    "7b": (ModelRecipe(), 100_278, 8192),
    "tiny": (ModelRecipe(64, 128, 8, 2, 2, sliding_window=32, context=128), 512, 128),
}
WARM, STEPS = 3, 10


def measure_gpu(options: argparse.Namespace) -> list[Row]:
    """One row: the largest number of layers that fits, by fours from the shape's own."""
    shape, vocabulary, length = SHAPES[options.shape]
    for layers in range(shape.layers, 0, -4):
        try:
            return [one(replace(shape, layers=layers), vocabulary, length)]
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
    raise SystemExit("not even four layers fit")


def one(shape: ModelRecipe, vocabulary: int, length: int) -> Row:
    """Tokens a second, MFU and memory of a step of one sequence."""
    recipe = PretrainRecipe(activation_checkpointing=True, model=shape)
    model = new_model(
        shape, vocabulary_size=vocabulary, ids={"pad": 0, "end_of_text": 1, "turn_end": 2}, seed=0
    )
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    optimizer, batch = new_optimizer(model, recipe), a_batch(vocabulary, length)
    for _ in range(WARM):
        step(model, optimizer, batch, recipe)
    started = time.perf_counter()
    for _ in range(STEPS):
        loss = step(model, optimizer, batch, recipe)
    took_s = (time.perf_counter() - started) / STEPS
    speed = length / took_s
    mfu = new_gauge(model, length, devices=1).mfu(speed)
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {
        "device": name,
        "layers": shape.layers,
        "parameters": model.num_parameters(),
        "tokens a step": length,
        "tokens/s": round(speed),
        "MFU": "not known" if mfu is None else round(mfu, 3),
        "memory, GiB": round(memory_bytes() / 2**30, 1),
        "loss": round(loss, 3),
    }


def a_batch(vocabulary: int, length: int) -> Batch:
    """One sequence of random ids, a single document."""
    generator = torch.Generator().manual_seed(0)
    ids_BT = torch.randint(0, vocabulary, (1, length), generator=generator)
    positions_BT = torch.arange(length)[None]
    return Batch(ids_BT, ids_BT.roll(-1, 1), positions_BT).to(device())


def step(model: Any, optimizer: torch.optim.Optimizer, batch: Batch, recipe: PretrainRecipe) -> float:
    with autocast():
        objective, nll = next_token_loss(model, batch, recipe.z_loss)
    objective.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    optimizer.step()
    optimizer.zero_grad()
    return float(nll)  # waits for the GPU
