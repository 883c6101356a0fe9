"""Adapters are answered with on their base, by the process that holds it, a moment after they are made."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch
from django.conf import settings
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from playground.completions import Piece, SamplingParameters, stream_completion
from playground.core.engine_client import client_of
from playground.core.errors import EngineUnavailable
from playground.database import in_database
from playground.engines import lease
from playground.models import EngineLease
from playground.openai.models import loaded_ids
from playground.supervisor import Supervisor
from tests.playground.conftest import until
from tests.playground.test_engine_serving import HELLO, Checkpoints
from tests.playground.tiny_model import digest, write_text_files
from training.models import Checkpoint

IDS = torch.randint(4, 512, (200,), generator=torch.Generator().manual_seed(0)).tolist()
GREEDY = SamplingParameters(temperature=0, max_tokens=16)


def make_adapter(base: Checkpoint, name: str, *, seed: int, rank: int = 8) -> Checkpoint:
    """A checkpoint that is an adapter with random weights on `base`."""
    path = settings.HOME / "checkpoints" / name
    if not path.exists():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(base.path)
        config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=16, target_modules="all-linear")
        adapted = get_peft_model(model, config)
        for weight_name, weight in adapted.named_parameters():
            if "lora_B" in weight_name:
                weight.data.normal_(0, 0.1)
        adapted.save_pretrained(path)
        model.config.save_pretrained(path)
        write_text_files(path)
    row = {"stage": "think-sft", "step": 1, "steps": 1, "chat": "chatml", "base": base}
    weights = digest(path / "adapter_model.safetensors")
    return Checkpoint.objects.create(name=name, digest=weights, tokenizer=base.tokenizer, **row)


def expected(base: Path, adapter: Path | None = None) -> list[float]:
    model: Any = AutoModelForCausalLM.from_pretrained(base)
    model = (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0, :-1].log_softmax(-1)
    return logits.gather(1, torch.tensor(IDS[1:]).unsqueeze(1)).squeeze(1).tolist()


async def served(checkpoint: Checkpoint) -> list[float]:
    """The log-probabilities that its engine gives to each of IDS after the first."""
    async with lease(checkpoint) as engine:
        body = {"model": engine.served, "prompt": IDS, "max_tokens": 1, "prompt_logprobs": 0}
        answer = (await client_of(engine.address).post("/v1/completions", json=body)).json()
    given = answer["choices"][0]["prompt_logprobs"][1:]
    return [entry[str(token)]["logprob"] for entry, token in zip(given, IDS[1:], strict=True)]


async def test_fresh_adapters_and_their_base_answer_from_one_process(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    base = checkpoints["tiny-one"]
    await served(base)
    process = engines.slots[0].process.pid
    first = await in_database(lambda: make_adapter(base, "adapter-one", seed=5))
    second = await in_database(lambda: make_adapter(base, "adapter-two", seed=6))
    for checkpoint in (first, base, second, first):
        adapter = checkpoint.path if checkpoint.base_id else None
        reference = await asyncio.to_thread(expected, base.path, adapter)
        assert await served(checkpoint) == pytest.approx(reference, abs=1e-3)
    assert expected(base.path, first.path) != pytest.approx(expected(base.path), abs=0.1)
    assert engines.slots[0].process.pid == process
    assert {base.pk, first.pk, second.pk} <= await in_database(loaded_ids)


async def test_an_adapter_brings_its_base_back_where_another_checkpoint_was_loaded(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    base = checkpoints["tiny-one"]
    adapter = await in_database(lambda: make_adapter(base, "adapter-one", seed=5))
    reference = await asyncio.to_thread(expected, base.path, adapter.path)
    process = engines.slots[0].process.pid
    await served(checkpoints["tiny-two"])
    assert await served(adapter) == pytest.approx(reference, abs=1e-3)
    assert engines.slots[0].process.pid == process


async def test_base_and_adapter_are_chatted_with_at_the_same_time(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    base = checkpoints["tiny-one"]
    adapter = await in_database(lambda: make_adapter(base, "adapter-one", seed=5))

    async def answer(checkpoint: Checkpoint) -> list[int]:
        async with aclosing(stream_completion(checkpoint, HELLO, GREEDY)) as events:
            return [i async for event in events if isinstance(event, Piece) for i in event.token_ids]

    alone = [await answer(base), await answer(adapter)]
    assert alone[0] != alone[1]
    together = await asyncio.gather(answer(base), answer(adapter), answer(base), answer(adapter))
    assert together == alone + alone


async def test_an_adapter_that_engines_cannot_take_says_what_to_do_and_holds_no_engine(
    engines: Supervisor, checkpoints: Checkpoints
) -> None:
    adapter = await in_database(
        lambda: make_adapter(checkpoints["tiny-one"], "adapter-wide", seed=7, rank=128)
    )
    with pytest.raises(EngineUnavailable, match="merge_adapter adapter-wide"):
        await served(adapter)
    await until(lambda: not EngineLease.objects.exists())
