"""What a stage goes on from after it was killed or paused."""

from pathlib import Path

import torch

from training.core.optim import MOMENTS, new_optimizer
from training.core.parallel.world import World
from training.core.recipe import RlZeroRecipe
from training.core.state import StateStore


def two_layers(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))


def test_a_state_saved_before_every_parameter_had_a_gradient_is_gone_on_from(tmp_path: Path) -> None:
    """A step of reinforcement learning whose answers carry no signal moves none; a killed job's state may be
    of before any did."""
    model, recipe = two_layers(0), RlZeroRecipe()
    optimizer, states = new_optimizer(model, recipe), StateStore(tmp_path, World())
    model[1](torch.ones(1, 4)).sum().backward()  # type: ignore[index]
    optimizer.step()
    states.save(1, model, optimizer, {"steps": 1})

    other = two_layers(1)
    others = new_optimizer(other, recipe)
    saved = states.load(other, others)
    assert saved is not None
    assert (saved.step, saved.meter) == (1, {"steps": 1})
    for name, parameter in model.named_parameters():
        twin = other.get_parameter(name)
        assert torch.equal(parameter, twin)
        for moment in MOMENTS:
            assert torch.equal(optimizer.state[parameter][moment], others.state[twin][moment])
    assert [int(others.state[p]["step"]) for p in other.parameters()] == [0, 0, 1, 1]
