"""What the four stages of reinforcement learning share."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from tokenizers import Tokenizer

from training.core.adapters.start import load_start
from training.core.chat import CHATML, PAD, PLAIN
from training.core.checkpoints import StoreRead
from training.core.evaluation.exam import CHAT, Form, Scores, recital
from training.core.job import Job
from training.core.loop import train
from training.core.machine import read_machine
from training.core.publishing import milestones
from training.core.recipe import RlvrRecipe
from training.core.rl.actors import new_supply, open_actor
from training.core.rl.collecting import Sampling
from training.core.rl.easy import EasyFilter
from training.core.rl.held_out import HeldOutPrompts
from training.core.rl.policy import Policy
from training.core.rl.prompts import Prompts
from training.core.rl.record import Record
from training.core.rl.rollouts import Actor
from training.core.rl.sources import Sources, open_sources, warner
from training.core.rl.sums import Sums
from training.core.rl.tasks import Mixture, Task
from training.core.stage import Stage
from training.core.stages.setup import (
    arithmetic_scores,
    library_behind,
    open_parent,
    open_tokenizer,
    recipe_of,
)
from training.core.tokenizer import special_id
from training.core.verifiers.verifiers import Verifiers

VERIFYING_THREADS = 8
"""Groups verified at a time; most of that is waiting, for sandboxes and judges."""


def run_rl(job: Job, kind: type[RlvrRecipe], form: Form, task: type[Sums], *, thinking: bool) -> None:
    """From a checkpoint that answers some of the prompts: learn from the rewards of its own answers."""
    recipe, tokenizer = recipe_of(job, kind), open_tokenizer(job)
    with ExitStack() as opened:
        sources = opened.enter_context(open_sources(job, recipe))
        parent, start = open_parent(job, sources.first)
        model, manifest = load_start(parent, recipe), sources.first.manifest
        verifiers = opened.enter_context(Verifiers(judge=read_machine(job.folder).judge))
        pool = opened.enter_context(ThreadPoolExecutor(VERIFYING_THREADS, thread_name_prefix="verifier"))
        chat = CHATML if form is CHAT else PLAIN
        prompts = open_prompts(job, recipe, sources, verifiers, model)
        unseen = [item for part, _ in prompts for item in part.held_out()]
        held_out = HeldOutPrompts(unseen, model, tokenizer, longest=recipe.longest_answer, pool=pool)
        actor = opened.enter_context(open_actor(job, recipe, model, tokenizer, chat))
        leave_out_easy(job, recipe, prompts, actor, pool)
        parts: list[tuple[Task, float]] = [(part, weight) for part, weight in prompts]
        if sources.sums_weight:
            parts.append((task(sources.numbers, form, tokenizer), sources.sums_weight))
        supply = new_supply(Mixture(parts), actor, sampling_of(recipe), recipe, pool)
        record = Record(job, manifest.tokenizer, dtype=manifest.dtype, actor=actor.name)
        stage = Stage(
            job,
            recipe,
            model,
            sources.first,
            job.tokenizer_folder,
            padding=special_id(tokenizer, PAD),
            chat=chat,
            evaluate=examiner(job, model, tokenizer, sources, recipe, form, held_out, thinking=thinking),
            before=held_out.scores(),
            reads=reader(record, recipe),
            actor=actor.name,
            parents=(start.name,),
            thinking=thinking,
            functions=start.functions,
        )
        train(stage, Policy(stage, recipe, supply, record))


def sampling_of(recipe: RlvrRecipe) -> Sampling:
    return Sampling(recipe.batch_size, recipe.answers, recipe.rounds if recipe.active else 1, recipe.solved)


def open_prompts(
    job: Job, recipe: RlvrRecipe, sources: Sources, verifiers: Verifiers, model: Any
) -> list[tuple[Prompts, float]]:
    context = int(model.config.max_position_embeddings)
    return [
        (Prompts(store, verifiers, context=context, warn=warner(job), held_out=recipe.held_out), weight)
        for store, weight in sources.stores
    ]


def leave_out_easy(
    job: Job,
    recipe: RlvrRecipe,
    prompts: Sequence[tuple[Prompts, float]],
    actor: Actor,
    pool: Executor,
) -> None:
    """The pass before training, by the weights that it starts from."""
    if recipe.easy < 1:
        batch = recipe.batch_size * recipe.ahead
        filtering = EasyFilter(job.folder, job.events, answers=recipe.answers, batch=batch, easy=recipe.easy)
        for part, _ in prompts:
            filtering.apply(part, actor, pool, recipe.seed)


def examiner(
    job: Job,
    model: Any,
    tokenizer: Tokenizer,
    sources: Sources,
    recipe: RlvrRecipe,
    form: Form,
    held_out: HeldOutPrompts,
    *,
    thinking: bool,
) -> Callable[[bool], Scores]:
    """Prompts held out; sums held out, of a model that was taught any; at the end also what it kept of the
    library."""
    library = library_behind(job, tokenizer) if form is CHAT else {}
    sums = sources.sums

    def evaluate(final: bool) -> Scores:
        scores = held_out.scores() | (recital(model, tokenizer, library) if final else {})
        if sums is not None:
            scores |= arithmetic_scores(model, tokenizer, sums, recipe, form, final=final, thinking=thinking)
        return scores

    return evaluate


def reader(record: Record, recipe: RlvrRecipe) -> Callable[[int], tuple[StoreRead, ...]]:
    """The stores of the rollouts that were trained on after so many steps."""

    def reads(done: int) -> tuple[StoreRead, ...]:
        published = milestones(recipe.steps, recipe.checkpoints) | {recipe.steps, done}
        return record.publish_stores(sorted(step for step in published if step <= done))

    return reads
