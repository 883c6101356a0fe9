"""LoRA: what learns and what does not, what merging gives, and real jobs that train, resume and go on."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from tests.training.core_jobs import (
    MODEL,
    events,
    log_of,
    losses,
    make_job,
    run_here,
    start,
)
from tests.training.test_core_preference import DPO, IDS, PAIRS, rows, write_pairs
from tests.training.test_core_rl import RL
from training.core.adapters.adapted import adapter_state, as_it_began, merged_state
from training.core.adapters.files import base_folder
from training.core.adapters.lora import add_adapter
from training.core.adapters.start import load_start
from training.core.bounds import build
from training.core.checkpoints import read_checkpoint
from training.core.errors import CheckpointError, RecipeError
from training.core.model import load_model, new_model
from training.core.preference import answer_logprobs
from training.core.recipe import AdapterRecipe, ModelRecipe, PretrainRecipe, ThinkSftRecipe

ADAPTER = {"rank": 4, "alpha": 8, "dropout": 0.1}
LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def plain_model() -> Any:
    return new_model(build(ModelRecipe, MODEL, "model"), vocabulary_size=64, ids=IDS, seed=3)


def adapted_model(*, moved: bool = True, **settings: Any) -> Any:
    """A model with an adapter; `moved`: one that has learnt something, so that it changes the answers."""
    model = plain_model()
    add_adapter(model, AdapterRecipe(rank=4, alpha=8, **settings), seed=1)
    if moved:
        torch.manual_seed(5)
        for weight in adapter_state(model).values():
            weight.normal_(0, 0.2)
    return model


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(5, 25)[None]).logits


def test_gradient_flows_to_every_weight_of_the_adapter_and_to_no_other() -> None:
    model = adapted_model()
    scores = model(input_ids=torch.arange(5, 25)[None]).logits
    scores.log_softmax(-1)[..., 7].sum().backward()
    learning = adapter_state(model)
    assert {name.split(".")[-4] for name in learning} == LINEAR
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (name in learning), name
        assert (parameter.grad is not None and bool(parameter.grad.any())) == (name in learning), name


def test_a_fresh_adapter_changes_nothing_and_one_switched_off_neither() -> None:
    expected = logits(plain_model())
    torch.testing.assert_close(logits(adapted_model(moved=False)), expected, atol=0, rtol=0)
    model = adapted_model(dropout=0.5)
    assert not torch.allclose(logits(model), expected)
    model.train()
    before = answer_logprobs(plain_model(), rows(*((prompt, chosen) for prompt, chosen, _ in PAIRS)))
    with as_it_began(model), torch.no_grad():
        now = answer_logprobs(model, rows(*((prompt, chosen) for prompt, chosen, _ in PAIRS)))
    torch.testing.assert_close(now, before, atol=0, rtol=0)
    assert model.training
    assert all(parameter.requires_grad for name, parameter in model.named_parameters() if "lora" in name)


def test_merged_weights_are_those_of_a_plain_model_that_answers_alike() -> None:
    adapted, plain = adapted_model(), plain_model()
    plain.load_state_dict(merged_state(adapted))
    torch.testing.assert_close(logits(plain), logits(adapted), atol=1e-5, rtol=1e-5)


def test_layers_can_be_chosen_and_unknown_ones_are_refused() -> None:
    chosen = adapter_state(adapted_model(targets=("q_proj", "v_proj")))
    assert {name.split(".")[-4] for name in chosen} == {"q_proj", "v_proj"}
    with pytest.raises(RecipeError, match=r"names 'query'.*down_proj"):
        adapted_model(targets=("query",))
    with pytest.raises(RecipeError, match="names 'lm_head'"):
        adapted_model(targets=("lm_head",))


@pytest.mark.parametrize("bad", [{"rank": 0}, {"alpha": -1}, {"dropout": float("nan")}, {"size": 4}, 7])
def test_settings_out_of_bounds_are_refused(bad: Any) -> None:
    with pytest.raises(RecipeError):
        build(ThinkSftRecipe, {"adapter": bad}, "think-sft")


def test_pretraining_takes_no_adapter() -> None:
    with pytest.raises(RecipeError, match="no model to put an adapter on"):
        build(PretrainRecipe, {"adapter": {}}, "pretrain")


# Jobs


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a midtrained checkpoint, an adapter of think SFT on it, and a store of pairs."""
    home = tmp_path_factory.mktemp("home")
    parent = None
    for stage in ("prepare", "pretrain", "midtrain"):
        folder = make_job(home, stage, parent=parent, changes={} if stage == "prepare" else {"tokens": 512})
        assert run_here(folder) == 0, log_of(folder)
        parent = home / "checkpoints" / f"t-{stage}"
    assert run_here(sft_job(home)) == 0
    write_pairs(home)
    return home


def sft_job(home: Path, **options: Any) -> Path:
    changes = {
        "adapter": ADAPTER,
        "tokens": 30 * 512,
        "learning_rate": 1e-2,
        "checkpoints": 1,
        **options.pop("changes", {}),
    }
    return make_job(home, "think-sft", parent=home / "checkpoints" / "t-midtrain", changes=changes, **options)


def rename(home: Path, name: str) -> str:
    """Another flow of the same tokenizer and store."""
    (home / "tokenizers" / name).symlink_to(home / "tokenizers" / "t")
    return name


def checkpoint_logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(5, 105)[None]).logits.log_softmax(-1)


def test_a_stage_with_an_adapter_publishes_a_peft_directory_that_says_its_base(home: Path) -> None:
    folder, base = home / "checkpoints" / "t-think-sft", home / "checkpoints" / "t-midtrain"
    manifest = read_checkpoint(folder)
    assert (manifest.base, manifest.base_digest) == ("t-midtrain", read_checkpoint(base).digest)
    assert manifest.parents == ("t-midtrain",)
    assert base_folder(folder) == base
    assert not (folder / "model.safetensors").exists()
    assert all("lora_" in name for name in load_file(folder / "adapter_model.safetensors"))
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], set(config["target_modules"])) == (4, 8, LINEAR)
    assert config["base_model_name_or_path"] == "t-midtrain"
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (folder / name).is_file()
    assert losses(home / "jobs" / "think-sft")[30] < losses(home / "jobs" / "think-sft")[10]


def test_a_published_adapter_gives_in_peft_what_it_gives_merged_here(home: Path) -> None:
    folder, base = home / "checkpoints" / "t-think-sft", home / "checkpoints" / "t-midtrain"
    theirs = PeftModel.from_pretrained(load_model(base), folder)
    ours = load_model(folder)
    assert type(ours).__name__ == "Olmo3ForCausalLM"
    assert ours.state_dict().keys() == load_model(base).state_dict().keys()
    torch.testing.assert_close(checkpoint_logits(ours), checkpoint_logits(theirs), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(checkpoint_logits(ours), checkpoint_logits(load_model(base)), atol=1e-2)


def test_a_killed_stage_with_dropout_goes_on_with_the_losses_of_an_uninterrupted_one(home: Path) -> None:
    folder = sft_job(home, folder="again", name=rename(home, "again"),
                     changes={"save_s": 0.0, "store": "t-think-sft"})  # fmt: skip
    with start(folder) as process:
        while not (folder / "state.pt").exists():
            assert process.poll() is None, log_of(folder)
        process.kill()
    whole = (home / "checkpoints" / "t-midtrain" / "model.safetensors").stat().st_size
    assert (folder / "state.pt").stat().st_size < whole  # nothing frozen is in it
    assert run_here(folder) == 0
    assert losses(folder) == losses(home / "jobs" / "think-sft")
    digests = [read_checkpoint(home / "checkpoints" / f"{n}-think-sft").digest for n in ("again", "t")]
    assert digests[0] == digests[1]


def test_a_stage_without_an_adapter_starts_from_an_adapter_merged(home: Path) -> None:
    folder = make_job(home, "instruct-sft", parent=home / "checkpoints" / "t-think-sft",
                      changes={"learning_rate": 0.0, "tokens": 512})  # fmt: skip
    assert run_here(folder) == 0, log_of(folder)
    after = home / "checkpoints" / "t-instruct-sft"
    assert read_checkpoint(after).parents == ("t-think-sft",)
    assert read_checkpoint(after).base == ""
    merged = load_model(home / "checkpoints" / "t-think-sft")
    torch.testing.assert_close(checkpoint_logits(load_model(after)), checkpoint_logits(merged))


def test_dpo_goes_on_with_an_adapter_and_compares_with_how_it_was(home: Path) -> None:
    parent = home / "checkpoints" / "t-think-sft"
    changes = {**DPO, "learning_rate": 1e-3, "adapter": ADAPTER}
    folder = make_job(home, "think-dpo", parent=parent, changes=changes)
    assert run_here(folder) == 0, log_of(folder)
    after = read_checkpoint(home / "checkpoints" / "t-think-dpo")
    assert (after.parents, after.base) == (("t-think-sft",), "t-midtrain")
    lines = events(folder, "metric")
    assert (
        lines[0]["loss"] < 0.6931472
    )  # of a first step without any margin, and of what is learnt from it on
    assert lines[-1]["accuracy"] > 0.9
    before, now = (load_file(home / "checkpoints" / f"t-think-{s}" / "adapter_model.safetensors")
                   for s in ("sft", "dpo"))  # fmt: skip
    assert before.keys() == now.keys()
    assert not any(torch.equal(before[name], now[name]) for name in now)


def test_what_dpo_compares_with_is_the_adapter_that_it_went_on_from(home: Path) -> None:
    parent = home / "checkpoints" / "t-think-sft"
    model = load_start(parent, build(ThinkSftRecipe, {"adapter": ADAPTER}, "think-sft"))
    expected = checkpoint_logits(load_model(parent))
    for weight in adapter_state(model).values():
        weight.normal_(0, 0.3)
    assert not torch.allclose(checkpoint_logits(model), expected, atol=1e-2)
    with as_it_began(model):
        torch.testing.assert_close(checkpoint_logits(model), expected, atol=1e-5, rtol=1e-5)


def test_an_adapter_of_another_shape_is_not_gone_on_with(home: Path) -> None:
    recipe = build(ThinkSftRecipe, {"adapter": {"rank": 8, "alpha": 8}}, "think-sft")
    with pytest.raises(RecipeError, match="merge_adapter t-think-sft"):
        load_start(home / "checkpoints" / "t-think-sft", recipe)


def test_an_adapter_whose_base_is_another_or_gone_is_refused(home: Path, tmp_path: Path) -> None:
    for name in ("t-think-sft", "t-midtrain"):
        (tmp_path / name).mkdir()
        for file in (home / "checkpoints" / name).iterdir():
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "t-midtrain" / "manifest.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"digest": "sha256:0"}))
    with pytest.raises(CheckpointError, match="was trained on t-midtrain"):
        load_model(tmp_path / "t-think-sft")
    path.unlink()
    with pytest.raises(CheckpointError, match="no usable checkpoint at"):
        load_model(tmp_path / "t-think-sft")


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_damaged_adapter_says_so(home: Path, tmp_path: Path, name: str) -> None:
    for folder in ("t-think-sft", "t-midtrain"):
        (tmp_path / folder).mkdir()
        for file in (home / "checkpoints" / folder).iterdir():
            (tmp_path / folder / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "t-think-sft" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=name):
        load_model(tmp_path / "t-think-sft")


@pytest.mark.parametrize("stage", ["rl-zero-spurious", "rl-zero"])
def test_reinforcement_moves_the_adapter_alone_and_outlives_steps_without_signal(
    home: Path, stage: str
) -> None:
    """Random rewards always say something; of a model that knows nothing, right answers do not."""
    changes = {**RL, "steps": 4, "adapter": ADAPTER | {"dropout": 0.0}}
    folder = make_job(home, stage, parent=home / "checkpoints" / "t-midtrain", changes=changes)
    assert run_here(folder) == 0, log_of(folder)
    published = home / "checkpoints" / f"t-{stage}"
    assert read_checkpoint(published).base == "t-midtrain"
    weights = load_file(published / "adapter_model.safetensors")
    moved = any(tensor.any() for name, tensor in weights.items() if "lora_B" in name)
    assert moved or stage == "rl-zero"
