"""Recipes as TOML files, and as the JSON of a job's configuration."""

import dataclasses
import json
import re
import tomllib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from training.core.bounds import Between, build
from training.core.errors import RecipeError
from training.core.recipe import (
    FlowRecipe,
    InstructDpoRecipe,
    InstructSftRecipe,
    LongContextRecipe,
    MicroannealRecipe,
    MidtrainRecipe,
    PrepareRecipe,
    PretrainRecipe,
    RlvrRecipe,
    RlZeroRecipe,
    ThinkDpoRecipe,
    ThinkSftRecipe,
    TrainRecipe,
)

RECIPES = Path(__file__).parent.parent / "recipes"
StageRecipe = PrepareRecipe | TrainRecipe
# Stage -> the class of its recipe, in the order in which a flow runs them: both SFT stages first, so that
# there is an instruct model to talk to long before all is done.
STAGES: dict[str, type[StageRecipe]] = {
    "prepare": PrepareRecipe,
    "pretrain": PretrainRecipe,
    "microanneal": MicroannealRecipe,
    "midtrain": MidtrainRecipe,
    "long-context": LongContextRecipe,
    "think-sft": ThinkSftRecipe,
    "instruct-sft": InstructSftRecipe,
    "think-dpo": ThinkDpoRecipe,
    "think-rlvr": RlvrRecipe,
    "instruct-dpo": InstructDpoRecipe,
    "instruct-rlvr": RlvrRecipe,
    "rl-zero": RlZeroRecipe,
    "rl-zero-spurious": RlZeroRecipe,
}
# Stage -> the stage whose final checkpoint (or, of prepare, whose stores) it starts from: of these the first
# that the flow runs.
STARTS_FROM = {
    "pretrain": ("prepare",),
    "microanneal": ("pretrain",),
    "midtrain": ("pretrain",),
    "long-context": ("midtrain",),
    "think-sft": ("long-context", "midtrain"),
    "think-dpo": ("think-sft",),
    "think-rlvr": ("think-dpo", "think-sft"),
    "instruct-sft": ("think-sft",),
    "instruct-dpo": ("instruct-sft",),
    "instruct-rlvr": ("instruct-dpo", "instruct-sft"),
    "rl-zero": ("long-context", "midtrain"),
    "rl-zero-spurious": ("long-context", "midtrain"),
}
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class JobConfig:
    """config.json of a job: all that its process knows."""

    stage: str
    """One of STAGES."""
    name: Annotated[str, Between(1, 60)]
    """Prefix of the names of what it publishes."""
    home: str
    """The data directory."""
    recipe: StageRecipe
    """The stage's settings."""
    parent: str | None = None
    """Directory of the checkpoint that the stage starts from."""
    threads: Annotated[int, Between(1, 4096)] = 1
    """Threads to compute with."""
    processes: Annotated[int, Between(1, 1024)] = 1
    """Processes on this node that train together, one for each GPU."""
    nodes: Annotated[int, Between(1, 65_536)] = 1
    """Nodes that train together, each with so many processes."""
    node: int = 0
    """Which of them this is, as its process was told. The first, 0, says what the job does."""
    rendezvous: Annotated[str, Between(0, 300)] = ""
    """host:port of the first node, where several find each other."""
    peak_tflops: Annotated[float, Between(0, 1e6)] = 0.0
    """Dense bf16 TFLOP/s of one device, for MFU; 0: as its name says."""

    @property
    def world_size(self) -> int:
        return self.processes * self.nodes


def load_flow(recipe: str | Path) -> FlowRecipe:
    """The flow described by a TOML file, or by the name of one in training/recipes. Raises RecipeError."""
    path = Path(recipe) if str(recipe).endswith(".toml") else RECIPES / f"{recipe}.toml"
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(sorted(file.stem for file in RECIPES.glob("*.toml")))
        raise RecipeError(f"no recipe at {path} ({error}); give a .toml file or one of: {names}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    return check_flow(table, path.name)


def check_flow(table: Mapping[str, Any], where: str) -> FlowRecipe:
    """The flow of a TOML document, whose tables are named as the stages are. Raises RecipeError."""
    flow = build(FlowRecipe, {key.replace("-", "_"): value for key, value in table.items()}, where)
    check_name(flow.name)
    return flow


def check_name(name: str) -> None:
    """Raises RecipeError unless `name` can be part of file names and addresses."""
    if not NAME.fullmatch(name):
        raise RecipeError(f"the name {name!r} has to be lower-case letters, digits and hyphens")


def flow_stages(flow: FlowRecipe) -> list[tuple[str, StageRecipe]]:
    """The stages that the flow runs, in order, with their recipes; branches last, since nothing waits for
    them."""
    parts = ((stage, getattr(flow, stage.replace("-", "_"))) for stage in STAGES)
    run = [(stage, part) for stage, part in parts if part is not None]
    return sorted(run, key=lambda one: is_branch(one[1]))


def is_branch(recipe: StageRecipe) -> bool:
    """Whether no stage of the flow starts from this one."""
    return isinstance(recipe, LongContextRecipe) and recipe.branch


def start_of(stage: str, run: Container[str]) -> str | None:
    """The stage that `stage` starts from, among those that a flow runs before it."""
    return next((start for start in STARTS_FROM.get(stage, ()) if start in run), None)


def recipe_table(recipe: StageRecipe) -> dict[str, Any]:
    """The recipe as plain JSON values, as `config.json` holds it."""
    return dataclasses.asdict(recipe)


def read_job(folder: Path) -> JobConfig:
    """The checked `config.json` of a job directory. Raises RecipeError."""
    path = folder / "config.json"
    try:
        table = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"no job at {folder}: {path} cannot be read ({error})") from error
    if not isinstance(table, dict) or table.get("stage") not in STAGES:
        raise RecipeError(f"{path} has to name a stage, one of {', '.join(STAGES)}")
    recipe = build(STAGES[table["stage"]], table.get("recipe") or {}, table["stage"])
    rest = {key: value for key, value in table.items() if key != "recipe"}
    config = build(_JobFields, rest, str(path))
    check_name(config.name)
    bound = recipe.threads if isinstance(recipe, TrainRecipe) else 0
    threads = min(config.threads, bound or config.threads)
    return JobConfig(recipe=recipe, **{**dataclasses.asdict(config), "threads": threads})


@dataclass(frozen=True)
class _JobFields:
    """JobConfig without the recipe, whose class depends on the stage."""

    stage: str
    name: Annotated[str, Between(1, 60)]
    home: str
    parent: str | None = None
    threads: Annotated[int, Between(1, 4096)] = 1
    processes: Annotated[int, Between(1, 1024)] = 1
    nodes: Annotated[int, Between(1, 65_536)] = 1
    rendezvous: Annotated[str, Between(0, 300)] = ""
    peak_tflops: Annotated[float, Between(0, 1e6)] = 0.0
