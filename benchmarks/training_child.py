"""One side of the training benchmark, in a process of its own: `python -m benchmarks.training_child HOME SIDE
STAGE STEPS THREADS` prints its tokens a second and its memory as JSON.

Every side trains the demo's model from the same weights on the same documents, in bf16 where this processor
is fast in it, with AdamW and clipped gradients. Tokens are those of documents: padding does not count.
"""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM = 10  # steps that are not timed


def ours(home: Path, stage_name: str, steps: int, threads: int) -> float:
    """The whole loop as a job runs it: order, packing, metrics, events. The median of its own lines."""
    from training.core.events import Events
    from training.core.job import Job
    from training.core.loop import train
    from training.core.recipe_files import JobConfig
    from training.core.stage import Stage

    recipe, model, store, tokenizer = material(home, stage_name, steps + WARM)
    folder = home / "jobs" / f"ours-{stage_name}-{time.monotonic_ns()}"
    folder.mkdir(parents=True)
    config = JobConfig(stage_name, folder.name, str(home), recipe, threads=threads)
    with Events(folder) as events:
        job = Job(folder, config, events)
        train(
            Stage(job, recipe, model, store, tokenizer, padding=0, chat="plain", evaluate=lambda final: {}),
        )
    written = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    lines = [line for line in written if line["type"] == "metric"][1:]
    step_tokens = recipe.batch_size * recipe.sequence_length
    real = (step_tokens - statistics.mean(line["padding_tokens"] for line in lines)) / step_tokens
    return real * statistics.median(line["tokens_per_s"] for line in lines)


def plain(home: Path, stage_name: str, steps: int, threads: int) -> float:
    """What one writes in an hour: batches of padded rows, the model's own loss, AdamW."""
    import torch

    from training.core.model import autocast

    recipe, model, store, _ = material(home, stage_name, steps + WARM)
    torch.set_num_threads(threads)
    rows = rows_of(store, recipe)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95))
    batch, tokens, started = rows_a_step(rows, recipe), 0, 0.0
    for step in range(steps + WARM):
        if step == WARM:
            tokens, started = 0, time.perf_counter()
        taken = [rows[(step * batch + place) % len(rows)] for place in range(batch)]
        width = max(len(ids) for ids, _ in taken)
        ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in taken])
        labels = torch.tensor([label + [-100] * (width - len(label)) for _, label in taken])
        mask = torch.tensor([[1] * len(i) + [0] * (width - len(i)) for i, _ in taken])
        with autocast():
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        tokens += sum(len(row) for row, _ in taken)
    return tokens / (time.perf_counter() - started)


def trl(home: Path, stage_name: str, steps: int, threads: int) -> float:
    """TRL's SFTTrainer on rows that are tokenised already, without gradient checkpointing or packing, which
    made it slower here."""
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from training.core.model import has_bf16

    recipe, model, store, tokenizer = material(home, stage_name, steps + WARM)
    torch.set_num_threads(threads)
    rows = rows_of(store, recipe)
    batch = rows_a_step(rows, recipe)
    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            times.append(time.perf_counter())

    masks = [[int(label != -100) for label in labels] for _, labels in rows]
    config = SFTConfig(
        output_dir=str(home / "trl"),
        per_device_train_batch_size=batch,
        max_steps=steps + WARM,
        learning_rate=recipe.learning_rate,
        adam_beta2=0.95,
        bf16=has_bf16(),
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,
        max_length=None,
        logging_steps=10,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_dict({"input_ids": [ids for ids, _ in rows], "assistant_masks": masks}),
        processing_class=AutoTokenizer.from_pretrained(tokenizer),
        callbacks=[Clock()],
    )
    trainer.train()
    mean = statistics.mean(len(ids) for ids, _ in rows)
    return mean * batch * steps / (times[-1] - times[WARM - 1])


def material(home: Path, stage_name: str, steps: int) -> tuple[Any, Any, Any, Path]:
    """Recipe, new model, store and tokenizer: the same for every side."""
    from dataclasses import replace

    from tracing.core.stores.store import TokenStore
    from training.core.model import new_model
    from training.core.recipe_files import load_flow

    flow = load_flow("demo")
    recipe = flow.pretrain if stage_name == "pretrain" else flow.think_sft
    recipe = replace(
        recipe,
        tokens=steps * recipe.batch_size * recipe.sequence_length,
        epochs=0.0,
        checkpoints=0,
        save_s=86_400.0,
    )
    ids = {"pad": 0, "end_of_text": 1, "turn_end": 2}
    model = new_model(flow.pretrain.model, vocabulary_size=4096, ids=ids, seed=0)
    model.set_attn_implementation(recipe.attention)
    model.train()
    return (
        recipe,
        model,
        TokenStore.open(home / "stores" / f"bench-{stage_name}"),
        home / "tokenizers" / "bench",
    )


def rows_of(store: Any, recipe: Any) -> list[tuple[list[int], list[int]]]:
    """Ids and labels: of pretraining, documents laid end to end and cut; of SFT, a conversation each."""
    from training.core.batches import IGNORED

    rows: list[tuple[list[int], list[int]]] = []
    if recipe.packing == "split":
        line = [int(i) for document in range(store.documents) for i in store.token_ids(document)]
        width = recipe.sequence_length
        return [
            (line[at : at + width], line[at : at + width]) for at in range(0, len(line) - width + 1, width)
        ]
    for document in range(store.documents):
        ids = [int(i) for i in store.token_ids(document)][: recipe.sequence_length]
        labels = [IGNORED] * len(ids)
        for start, end in store.metadata(document)["loss"]:
            labels[start:end] = ids[start:end]
        rows.append((ids, labels))
    return rows


def rows_a_step(rows: list[tuple[list[int], list[int]]], recipe: Any) -> int:
    """As many rows as hold the tokens of one of our steps."""
    mean = statistics.mean(len(ids) for ids, _ in rows)
    return max(1, round(recipe.batch_size * recipe.sequence_length / mean))


SIDES: dict[str, Callable[[Path, str, int, int], float]] = {"ours": ours, "plain": plain, "trl": trl}


def main(arguments: list[str]) -> None:
    home, side, stage_name, steps, threads = arguments
    os.environ["OMP_NUM_THREADS"] = threads
    speed = SIDES[side](Path(home), stage_name, int(steps), int(threads))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"tokens_per_s": speed, "memory_bytes": memory}))


if __name__ == "__main__":
    main(sys.argv[1:])
