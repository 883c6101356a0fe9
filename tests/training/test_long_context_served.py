"""An extended checkpoint gives the same log-probabilities in vLLM as in ours, far beyond its old context."""

import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from tests.playground.tiny_model import write_text_files
from training.core.bounds import build
from training.core.checkpoints import CheckpointManifest, publish_checkpoint
from training.core.long_context.yarn import extend_context
from training.core.model import load_model, new_model
from training.core.recipe import LongContextRecipe, ModelRecipe
from training.core.serving.engine_process import EngineConfig, EngineProcess

PYTHON = Path(__file__).parents[2] / ".venv-engine/bin/python"
pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason="no engine environment: run `make engine`"),
    pytest.mark.timeout(600),
]
ORIGINAL, EXTENDED = 128, 1024
TOLERANCE = 1e-3  # nats, at every token; both compute in fp32
MODEL = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "layers": 4,
    "heads": 4,
    "kv_heads": 2,
    "sliding_window": 32,
    "context": ORIGINAL,
    "rope_theta": 20_000.0,
    "embedding_std": 1.0,
}


def publish(folder: Path) -> tuple[Path, Any]:
    """A model with random weights, extended as the stage does, published; and the same before."""
    (folder / "tokenizer").mkdir()
    write_text_files(folder / "tokenizer")
    ids = {"pad": 0, "end_of_text": 0, "turn_end": 2}
    plain = new_model(build(ModelRecipe, MODEL, "model"), vocabulary_size=512, ids=ids, seed=1)
    with torch.no_grad():  # wide enough for attention to look at single tokens, far back too
        for weight in plain.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.3)
    recipe = build(LongContextRecipe, {"sequence_length": EXTENDED}, "recipe")
    manifest = CheckpointManifest(
        name="long", digest="", parents=(), stage="long-context", step=1, steps=1, job="", config={},
        stores=(), tokenizer="", chat="plain", thinking=False,
    )  # fmt: skip
    target = folder / "checkpoints" / "long"
    target.parent.mkdir()
    publish_checkpoint(extend_context(plain, recipe), folder / "tokenizer", target, manifest)
    return target, plain


def test_the_log_probabilities_beyond_the_first_context_are_vllm_s_too(tmp_path: Path) -> None:
    checkpoint, plain = publish(tmp_path)
    ids = torch.randint(4, 512, (EXTENDED - 1,), generator=torch.Generator().manual_seed(0)).tolist()
    ours = log_probabilities(load_model(checkpoint), ids)
    theirs = served(checkpoint, ids, tmp_path)
    apart = (ours - theirs).abs()
    assert apart.max() < TOLERANCE
    unstretched = (log_probabilities(plain, ids) - theirs).abs()[ORIGINAL:]
    assert unstretched.mean() > 100 * TOLERANCE, "YaRN makes no difference here: the test shows nothing"


@torch.no_grad()
def log_probabilities(model: Any, ids: list[int]) -> torch.Tensor:
    logits = model.eval()(torch.tensor([ids])).logits[0, :-1].float()
    return logits.log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]


def served(checkpoint: Path, ids: list[int], folder: Path) -> torch.Tensor:
    """What a vLLM of its own gives to each token after the first."""
    with tempfile.TemporaryDirectory() as run:
        process = EngineProcess(EngineConfig(0, PYTHON, Path(run), folder / "engine.log", kind="vllm"))
        process.start(checkpoint)
        try:
            while not process.is_healthy():
                assert not process.has_ended(), process.last_words()
                time.sleep(0.5)
            return ask(process, ids)
        finally:
            process.stop()


def ask(process: EngineProcess, ids: list[int]) -> torch.Tensor:
    from training.core.serving.engine_process import SERVED_NAME

    body = {"model": SERVED_NAME, "prompt": ids, "max_tokens": 1, "prompt_logprobs": 0, "temperature": 0}
    transport = httpx.HTTPTransport(uds=str(process.config.socket))
    with httpx.Client(transport=transport, base_url="http://engine", timeout=300) as client:
        answer = client.post("/v1/completions", json=body).json()
    given = answer["choices"][0]["prompt_logprobs"][1:]
    return torch.tensor([entry[str(token)]["logprob"] for entry, token in zip(given, ids[1:], strict=True)])
