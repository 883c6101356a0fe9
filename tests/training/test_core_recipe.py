"""Recipes: the full size is the default, and whatever cannot be used is refused with what to do."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from training.core.bounds import build
from training.core.errors import RecipeError
from training.core.optim import learning_rate
from training.core.recipe import (
    InstructDpoRecipe,
    InstructSftRecipe,
    LongContextRecipe,
    MidtrainRecipe,
    PretrainRecipe,
    PromptSource,
    RlvrRecipe,
    RlZeroRecipe,
    ThinkDpoRecipe,
    ThinkSftRecipe,
    TrainRecipe,
)
from training.core.recipe_files import (
    RECIPES,
    check_flow,
    flow_stages,
    load_flow,
    read_job,
    recipe_table,
    start_of,
)

REQUIRED = ("pretrain", "midtrain", "think-sft", "instruct-sft")
SMALLEST: dict[str, Any] = {"name": "x", "pretrain": {}, "midtrain": {}, "think-sft": {}, "instruct-sft": {}}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_that_we_ship_loads(path: Path) -> None:
    flow = load_flow(path.stem)
    assert flow.name == path.stem
    stages = [stage for stage, _ in flow_stages(flow)]
    instruct = stages.index("instruct-sft")
    assert [s for s in stages[:instruct] if s in REQUIRED] == ["pretrain", "midtrain", "think-sft"]
    assert not [stage for stage in stages[:instruct] if stage.endswith(("-dpo", "-rlvr"))]


def test_the_defaults_are_the_full_size_recipe() -> None:
    flow = load_flow("olmo3-7b")
    assert flow.prepare is None
    sft, dpo = (ThinkSftRecipe(), InstructSftRecipe()), (ThinkDpoRecipe(), InstructDpoRecipe())
    defaults: tuple[TrainRecipe, ...] = (PretrainRecipe(), MidtrainRecipe(), *sft, *dpo)
    defaults += (RlvrRecipe(), RlvrRecipe(), RlZeroRecipe(), RlZeroRecipe())
    parts: tuple[TrainRecipe | None, ...] = (flow.pretrain, flow.midtrain, flow.think_sft, flow.instruct_sft)
    parts += (flow.think_dpo, flow.instruct_dpo, flow.think_rlvr, flow.instruct_rlvr)
    assert flow.long_context is not None
    assert recipe_table(LongContextRecipe()) == {
        **recipe_table(flow.long_context),
        "store": "",
        "short_store": "",
    }
    for part, default in zip((*parts, flow.rl_zero, flow.rl_zero_spurious), defaults, strict=True):
        assert part is not None
        data = {"store": "", **({"sources": ()} if isinstance(part, RlvrRecipe) else {})}
        assert {**recipe_table(part), **data} == recipe_table(default)


def test_sources_of_prompts_are_tables_whose_every_value_is_checked() -> None:
    rl = {"sources": [{"weight": 2}, {"store": "rivers"}]}
    assert build(RlvrRecipe, rl, "rl").sources == (PromptSource("", 2.0), PromptSource("rivers", 1.0))
    for wrong, message in (
        ([{"weight": 0}], r"rl.sources\[0\].weight is 0.0: it has to be between 1e-06"),
        ([{}, {"weigth": 1}], r"rl.sources\[1\] has no setting 'weigth'; did you mean 'weight'"),
        (["rivers"], r"rl.sources\[0\] is 'rivers': it has to be a table"),
        ({"store": "rivers"}, "it has to be a list of tables of settings"),
    ):
        with pytest.raises(RecipeError, match=message):
            build(RlvrRecipe, {"sources": wrong}, "rl")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rat": 1.0}, r"pretrain has no setting 'learning_rat'; did you mean 'learning_rate'"),
        ({"learning_rate": math.nan}, r"learning_rate is nan: it has to be between 0 and 10"),
        ({"learning_rate": -1.0}, r"learning_rate is -1.0: it has to be between 0 and 10"),
        ({"learning_rate": math.inf}, r"learning_rate is inf"),
        ({"learning_rate": "fast"}, r"learning_rate is 'fast': it has to be a number"),
        ({"batch_size": 0}, r"batch_size is 0: it has to be between 1"),
        ({"batch_size": 2.5}, r"batch_size is 2.5: it has to be a whole number"),
        ({"batch_size": True}, r"batch_size is True: it has to be a whole number"),
        ({"schedule": "warm"}, r"schedule is 'warm': choose one of 'cosine', 'linear', 'hold'"),
        ({"model": {"layers": "4"}}, r"pretrain.model.layers is '4': it has to be a whole number"),
        ({"model": 7}, r"pretrain.model is 7: it has to be a table"),
        ({"store": "x" * 61}, r"store is 61 characters long"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_its_value(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_flow({**SMALLEST, "pretrain": change}, "recipe")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "x"}, "needs a setting 'pretrain'"),
        ({**SMALLEST, "name": "../x"}, "has to be lower-case letters"),
        ({**SMALLEST, "name": ""}, "0 characters long"),
        ({**SMALLEST, "prepare": {"modules": "os"}}, "modules is 'os': it has to be a list of texts"),
        ({**SMALLEST, "prepare": {"high": 100}}, "high is 100"),
    ],
)
def test_a_flow_that_cannot_be_run_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_flow(table, "recipe")


def test_an_unknown_recipe_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"give a \.toml file or one of: .*demo"):
        load_flow("nothing")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(RecipeError, match="is not TOML"):
        load_flow(broken)


def test_a_jobs_configuration_is_checked(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no job at"):
        read_job(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"stage": "fly", "name": "x", "home": "/"}))
    with pytest.raises(RecipeError, match="has to name a stage"):
        read_job(tmp_path)
    path.write_text(json.dumps({"stage": "midtrain", "name": "x", "home": "/", "threads": 0}))
    with pytest.raises(RecipeError, match="threads is 0"):
        read_job(tmp_path)
    path.write_text(json.dumps({"stage": "midtrain", "name": "x", "home": "/h", "recipe": {"epochs": 2}}))
    assert read_job(tmp_path).recipe == MidtrainRecipe(epochs=2.0)


@pytest.mark.parametrize(("bound", "threads"), [(0, 4), (1, 1), (9, 4)])
def test_a_stage_computes_with_no_more_threads_than_its_recipe_says(
    tmp_path: Path, bound: int, threads: int
) -> None:
    table = {"stage": "pretrain", "name": "t", "home": "/", "threads": 4, "recipe": {"threads": bound}}
    (tmp_path / "config.json").write_text(json.dumps(table))
    assert read_job(tmp_path).threads == threads


def test_recipes_survive_the_way_through_json() -> None:
    recipe = load_flow("demo").pretrain
    assert build(PretrainRecipe, json.loads(json.dumps(recipe_table(recipe))), "pretrain") == recipe


@pytest.mark.parametrize("schedule", ["cosine", "linear", "hold"])
def test_a_schedule_warms_up_to_the_peak_and_ends_at_the_final_rate(schedule: str) -> None:
    settings = {"learning_rate": 1.0, "final_learning_rate": 0.1, "warmup_steps": 10, "schedule": schedule}
    recipe = build(TrainRecipe, settings, "test")
    rates = [learning_rate(recipe, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1, abs=1e-3)
    assert max(rates) == pytest.approx(1.0, abs=0.02)
    assert rates[-1] == pytest.approx(0.1, abs=3e-3)
    assert all(later <= earlier for earlier, later in pairwise(rates[20:]))


def test_each_stage_starts_from_one_that_the_flow_runs_before_it() -> None:
    stages = [stage for stage, _ in flow_stages(load_flow("olmo3-7b"))]
    starts = {stage: start_of(stage, stages[:place]) for place, stage in enumerate(stages)}
    assert starts.pop("pretrain") is None
    assert starts["instruct-sft"] == "think-sft"
    assert (starts["think-dpo"], starts["think-rlvr"]) == ("think-sft", "think-dpo")
    assert (starts["instruct-dpo"], starts["instruct-rlvr"]) == ("instruct-sft", "instruct-dpo")
    assert starts["rl-zero"] == starts["rl-zero-spurious"] is not None
    assert None not in starts.values()


@pytest.mark.parametrize("name", ["demo", "test"])
def test_a_branch_runs_last_and_no_stage_starts_from_it(name: str) -> None:
    flow = load_flow(name)
    assert flow.long_context is not None
    assert flow.long_context.branch
    stages = [stage for stage, _ in flow_stages(flow)]
    assert stages[-1] == "long-context"
    starts = {stage: start_of(stage, stages[:place]) for place, stage in enumerate(stages)}
    assert starts["long-context"] == starts["think-sft"] == "midtrain"
    assert "long-context" not in starts.values()


def test_without_a_branch_long_context_stands_between_midtraining_and_sft() -> None:
    stages = [stage for stage, _ in flow_stages(load_flow("olmo3-7b"))]
    place = stages.index("long-context")
    assert stages[place - 1 : place + 2] == ["midtrain", "long-context", "think-sft"]
    assert start_of("think-sft", stages[: place + 1]) == "long-context"


def test_rlvr_starts_from_dpo_or_where_there_is_none_from_sft() -> None:
    assert start_of("think-rlvr", ["midtrain", "think-sft", "think-dpo"]) == "think-dpo"
    assert start_of("think-rlvr", ["midtrain", "think-sft"]) == "think-sft"
    assert start_of("rl-zero", ["midtrain", "think-sft"]) == "midtrain"
