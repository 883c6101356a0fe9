"""What the four stages of reinforcement learning share."""

from training.core.adapters.start import load_start
from training.core.chat import CHATML, PAD, PLAIN
from training.core.checkpoints import StoreRead
from training.core.errors import TrainingError
from training.core.evaluation.exam import CHAT, Form, Scores, recital
from training.core.job import Job
from training.core.loop import train
from training.core.publishing import milestones
from training.core.recipe import RlvrRecipe
from training.core.rl.collecting import AskAndWait, Sampling
from training.core.rl.policy import Policy
from training.core.rl.record import Record
from training.core.rl.rollouts import LocalActor
from training.core.rl.sums import Sums
from training.core.stage import Stage
from training.core.stages.setup import (
    arithmetic_scores,
    library_behind,
    numbers_of,
    open_parent,
    open_tokenizer,
    recipe_of,
    store_of_sums,
)
from training.core.tokenizer import special_id


def run_rl(job: Job, kind: type[RlvrRecipe], form: Form, task: type[Sums], *, thinking: bool) -> None:
    """From a checkpoint that answers some sums: learn from the rewards of its own answers."""
    recipe, tokenizer = recipe_of(job, kind), open_tokenizer(job)
    with store_of_sums(job) as store:
        parent, start = open_parent(job, store)
        model, numbers = load_start(parent, recipe), numbers_of(store)
        if numbers is None:
            raise TrainingError(f"{start.name} was taught no sums: there is nothing to reward it for")
        library = library_behind(job, tokenizer) if form is CHAT else {}
        record = Record(job, store.manifest.tokenizer)

        def evaluate(final: bool) -> Scores:
            sums = arithmetic_scores(model, tokenizer, store, recipe, form, final=final, thinking=thinking)
            return sums | (recital(model, tokenizer, library) if final else {})

        def reads(done: int) -> tuple[StoreRead, ...]:
            published = milestones(recipe.steps, recipe.checkpoints) | {recipe.steps, done}
            return record.publish_stores(sorted(step for step in published if step <= done))

        stage = Stage(
            job,
            recipe,
            model,
            store,
            job.tokenizer_folder,
            padding=special_id(tokenizer, PAD),
            chat=CHATML if form is CHAT else PLAIN,
            evaluate=evaluate,
            reads=reads,
            parents=(start.name,),
            thinking=thinking,
        )
        actor = LocalActor(model, tokenizer, longest=recipe.longest_answer)
        sampling = Sampling(
            recipe.batch_size, recipe.answers, recipe.rounds if recipe.active else 1, recipe.solved
        )
        supply = AskAndWait(task(numbers, form, tokenizer), actor, sampling, recipe.seed)
        train(stage, Policy(stage, recipe, supply, record))
