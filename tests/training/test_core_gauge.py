"""What a line of metrics says of the machine."""

import pytest
import torch

from training.core.gauge import Gauge, flops_a_token, known_peak, memory_bytes, new_gauge, peak_of
from training.core.model import new_model
from training.core.recipe import ModelRecipe


def tiny(**changes: int) -> object:
    shape = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "layers": 4,
        "heads": 2,
        "kv_heads": 1,
        "context": 256,
    }
    ids = {"pad": 0, "end_of_text": 1, "turn_end": 2}
    return new_model(
        ModelRecipe(**{**shape, "sliding_window": 16, **changes}), vocabulary_size=128, ids=ids, seed=0
    )


def test_a_tokens_work_is_six_a_weight_and_twelve_for_each_token_that_is_attended_to() -> None:
    """Counted by hand: three layers see 16 tokens of 64, the fourth all of them, with 2 heads of 16."""
    attention = 32 * 32 + 2 * 32 * 16 + 32 * 32 + 32 + 16  # q, k and v, o, and the norms of q and k
    layer = attention + 3 * 32 * 64 + 2 * 32
    weights = 4 * layer + 32 + 128 * 32
    assert flops_a_token(tiny(), 64) == 6 * weights + 12 * 2 * 16 * (3 * 16 + 64)


def test_a_frozen_weight_costs_two_thirds() -> None:
    model = tiny()
    whole = flops_a_token(model, 0)
    model.requires_grad_(False)  # type: ignore[attr-defined]
    assert flops_a_token(model, 0) == pytest.approx(whole * 4 / 6)


def test_utilisation_is_told_only_where_the_peak_is_known() -> None:
    assert Gauge(1e9, 0.0).mfu(1000) is None
    assert "mfu" not in Gauge(1e9, 0.0).line(1000)
    assert Gauge(1e9, 2e12).line(1000)["mfu"] == 0.5
    assert new_gauge(tiny(), 64, devices=8, peak_tflops=2.0).peak_flops == 16e12


def test_devices_are_known_by_their_names() -> None:

    assert peak_of("NVIDIA H100 80GB HBM3") == peak_of("NVIDIA H200") == 989e12
    assert peak_of("NVIDIA H100 PCIe") == 756e12
    assert peak_of("NVIDIA A100-SXM4-80GB") == 312e12
    assert peak_of("Voodoo 2") == 0
    assert (known_peak() > 0) <= torch.cuda.is_available()


def test_memory_is_the_most_that_was_used() -> None:
    before = memory_bytes()
    block = torch.ones(before // 4 + 2**25)  # four bytes each: as much again
    if not torch.cuda.is_available():
        assert memory_bytes() > before + 2**25
    del block
