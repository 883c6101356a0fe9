"""Who samples the answers: a vLLM engine where there is one, else the training process itself."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from training.core.errors import EngineStartError
from training.core.job import Job
from training.core.machine import read_machine
from training.core.model import device
from training.core.recipe import RlvrRecipe
from training.core.rl.ahead import AskAhead
from training.core.rl.collecting import AskAndWait, Sampling, Supply
from training.core.rl.engine_actor import Asking, EngineActor
from training.core.rl.engine_life import EngineLife
from training.core.rl.rollouts import Actor, LocalActor
from training.core.rl.tasks import Task
from training.core.serving.engine_process import EngineConfig, EngineProcess
from training.core.serving.weights import write_weights

LOOK_FOR_VLLM = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
LOOK_TIMEOUT_S = 60.0


@contextmanager
def open_actor(job: Job, recipe: RlvrRecipe, model: Any, tokenizer: Tokenizer, chat: str) -> Iterator[Actor]:
    """The actor that the recipe asks for; which one it is stands in the log. Raises EngineStartError where it
    asks for an engine and none can be started."""
    with ExitStack() as opened:
        actor: Actor = LocalActor(model, tokenizer, longest=recipe.longest_answer)
        reason = "the recipe says so"
        if recipe.actor != "process":
            try:
                check_worth(recipe)
                engine = new_engine_actor(job, recipe, model, tokenizer, chat)
                job.events.progress("starting the engine", 0, 1, "engines", None)
                actor, reason = opened.enter_context(engine), ""
            except EngineStartError as error:
                if recipe.actor == "engine":
                    raise EngineStartError(
                        f"no engine samples the answers: {error}. Put it right, or set actor to auto or "
                        "process"
                    ) from error
                reason = f"no engine: {error}"
        job.events.log(f"answers are sampled by {actor.name}{f' ({reason})' if reason else ''}")
        yield actor


def check_worth(recipe: RlvrRecipe) -> None:
    """On a machine without a GPU, learner and engine share the cores, and asking ahead gains nothing: an
    engine is then for those who ask for it. Raises EngineStartError."""
    if recipe.actor == "auto" and device().type == "cpu":
        raise EngineStartError("without a GPU it would share the learner's cores")


def new_engine_actor(
    job: Job, recipe: RlvrRecipe, model: Any, tokenizer: Tokenizer, chat: str
) -> EngineActor:
    """Not started yet. Raises EngineStartError where vLLM is not installed."""
    machine = read_machine(job.folder)
    if why := why_no_vllm(machine.engine_python):
        raise EngineStartError(why)
    config = EngineConfig(
        slot=0,
        python=Path(machine.engine_python),
        run_directory=Path(machine.run_directory),
        log=job.folder / "engine.log",
        kind="vllm",
    )

    def write(folder: Path) -> None:
        write_weights(model, job.tokenizer_folder, chat, folder)

    return EngineActor(
        EngineLife(EngineProcess(config), lambda text: job.events.log(text, "warning")),
        Asking(tokenizer, recipe.longest_answer, int(model.config.max_position_embeddings)),
        write=write,
        folder=job.folder / "engine",
    )


def why_no_vllm(python: str) -> str:
    """Empty where that interpreter has vLLM; else what is missing."""
    if not python or not Path(python).exists():
        return f"there is no engine environment at {python or 'any place that is known'}"
    try:
        asked = subprocess.run([python, "-c", LOOK_FOR_VLLM], timeout=LOOK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{python} cannot be run ({error})"
    return f"vLLM is not installed in {python}'s environment" if asked.returncode else ""


def new_supply(task: Task, actor: Actor, sampling: Sampling, recipe: RlvrRecipe, pool: Executor) -> Supply:
    """An engine is asked ahead, if answers may be behind at all; the training process answers as it is
    asked."""
    if isinstance(actor, EngineActor) and recipe.staleness:
        return AskAhead(
            task,
            actor,
            sampling,
            staleness=recipe.staleness,
            ahead=recipe.ahead,
            seed=recipe.seed,
            pool=pool,
        )
    return AskAndWait(task, actor, sampling, recipe.seed, pool)
