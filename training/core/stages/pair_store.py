"""The store of pairs that a DPO stage learns from, and the pairs that it is measured on, made once a job."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tracing.core.building.writer import StoreWriter
from tracing.core.text.tokenizer import TextTokenizer
from training.core import arithmetic
from training.core.arithmetic import Range
from training.core.checkpoints import read_checkpoint
from training.core.errors import CheckpointError, TrainingError
from training.core.job import Job
from training.core.model import load_model
from training.core.pairs import Asked, Pair, draw_questions, make_pairs, pair_documents, sampled_answers
from training.core.recipe import PairsRecipe, ThinkDpoRecipe
from training.core.stages.setup import numbers_of, store_of_sums
from training.core.writing import write_documents

HELD_OUT = "held-out-pairs.json"
FEWEST_PAIRS = 8


def make_pair_store(job: Job, recipe: ThinkDpoRecipe, settings: PairsRecipe, tokenizer: Tokenizer) -> None:
    """Publish the stage's store of pairs and write its held-out pairs, unless they are there.

    Raises CheckpointError where a checkpoint that is to answer is missing, TrainingError where too few
    answers differ.
    """
    name = job.store_name(job.config.stage)
    folder, held_out = job.store_folder(name), job.folder / HELD_OUT
    if not folder.exists() or not held_out.exists():
        strong = chosen_checkpoint(job, settings.strong, parent_folder(job))
        parent = parent_folder(job)
        weak = chosen_checkpoint(job, settings.weak, parent if settings.own_mistakes else earliest_of(parent))
        maker = _Maker(job, recipe, settings, tokenizer, strong, weak)
        maker.write_held_out(held_out)
        if not folder.exists():
            maker.write_store(folder)
    job.events.write("store", name=name, path=str(folder), stage=job.config.stage)


def held_out_pairs(job: Job) -> list[Pair]:
    """The pairs that the stage is measured on; none where it did not make its own."""
    path = job.folder / HELD_OUT
    return [Pair(**row) for row in json.loads(path.read_text())] if path.exists() else []


def parent_folder(job: Job) -> Path:
    if job.config.parent is None:
        raise CheckpointError(f"{job.config.stage} starts from a checkpoint: name one as `parent`")
    return Path(job.config.parent)


def chosen_checkpoint(job: Job, name: str, otherwise: Path) -> Path:
    """The checkpoint of that name, or `otherwise` where the recipe names none. Raises CheckpointError."""
    folder = job.home / "checkpoints" / name if name else otherwise
    read_checkpoint(folder)
    return folder


def earliest_of(final: Path) -> Path:
    """The first intermediate checkpoint of the stage that ended with `final`, or that itself."""
    found = {
        int(step): path
        for path in final.parent.glob(f"{final.name}-step*")
        if (step := path.name.removeprefix(f"{final.name}-step")).isdecimal()
    }
    return found[min(found)] if found else final


class _Maker:
    """Two checkpoints and what they are asked."""

    def __init__(
        self,
        job: Job,
        recipe: ThinkDpoRecipe,
        settings: PairsRecipe,
        tokenizer: Tokenizer,
        strong: Path,
        weak: Path,
    ) -> None:
        self._job, self._recipe, self._settings, self._tokenizer = job, recipe, settings, tokenizer
        self._folders = (strong, weak)
        self._models = (load_model(strong), load_model(weak))
        self._numbers = range_of(job)

    def write_held_out(self, path: Path) -> None:
        pairs = self._pairs(4 * self._settings.held_out, held_out=True)[: self._settings.held_out]
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps([asdict(pair) for pair in pairs], indent=1))
        partial.replace(path)

    def write_store(self, folder: Path) -> None:
        pairs = self._pairs(self._settings.questions, held_out=False)
        if len(pairs) < FEWEST_PAIRS:
            raise TrainingError(
                f"only {len(pairs)} of {self._settings.questions} questions gave a right answer of "
                f"{self._folders[0].name} beside a wrong one of {self._folders[1].name}: ask more questions, "
                "or name another checkpoint as pairs.weak"
            )
        strong, weak = (folder.name for folder in self._folders)
        documents = list(pair_documents(pairs, strong, weak))
        with StoreWriter(
            folder,
            name=folder.name,
            tokenizer=TextTokenizer.open(self._job.tokenizer_folder).digest,
            dtype="u16",
            stage=self._job.config.stage,
            source=f"answers of {strong} and {weak}",
            licence=arithmetic.LICENCE,
            generator=self._generator(len(pairs)),
        ) as writer:
            write_documents(writer, documents, self._job.config.stage, self._tokenizer)
            writer.publish()

    def _pairs(self, questions: int, *, held_out: bool) -> list[Pair]:
        asked = draw_questions(self._recipe.seed, self._numbers, questions, held_out=held_out)
        answers = [self._asked(number, model, asked) for number, model in enumerate(self._models)]
        strong, weak = answers
        settings = self._settings
        return list(
            make_pairs(
                asked,
                strong,
                weak,
                self._tokenizer,
                settings.longest_difference,
                shorter_by=settings.shorter_by,
            )
        )

    def _asked(self, number: int, model: Any, asked: Sequence[Asked]) -> list[str]:
        self._job.events.progress("asking for pairs", number, len(self._models), "models", None)
        return sampled_answers(model, self._tokenizer, asked, seed=1 + number)  # one model may be both

    def _generator(self, pairs: int) -> dict[str, object]:
        numbers = {"version": arithmetic.VERSION, "low": self._numbers.low, "high": self._numbers.high}
        asked = {"name": "training.core.pairs", "seed": self._recipe.seed, "counts": {"pair": pairs}}
        digests = {folder.name: read_checkpoint(folder).digest for folder in self._folders}
        return {**asked, "arithmetic": numbers, "answers_of": digests}


def range_of(job: Job) -> Range:
    """The range of the sums that the checkpoint to start from was taught. Raises TrainingError."""
    with store_of_sums(job) as store:
        numbers = numbers_of(store)
        assert numbers is not None  # else it would not have been found
        return numbers
