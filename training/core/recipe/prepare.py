"""What the demo's corpus is made of."""

from dataclasses import dataclass
from typing import Annotated

from training.core.bounds import Between
from training.core.recipe.numbers import Count, Positive, Share


@dataclass(frozen=True)
class PrepareRecipe:
    """The demo's corpus: the running interpreter's standard library and generated arithmetic."""

    vocabulary_size: Annotated[int, Between(320, 2**16 - 2)] = 4096
    """Entries of the tokenizer that is trained; a multiple of 64 keeps the matrices well shaped."""
    seed: Count = 0
    """Seeds the generators. Another seed is another corpus."""
    modules: tuple[str, ...] = ()
    """Modules of the library to take; empty: all of them."""
    longest_source: Count = 1500
    """Source of functions of at most this many characters is pretrained on; 0: no source."""
    low: Count = 10
    """Smallest number in a sum."""
    high: Annotated[int, Between(1, 99)] = 99
    """Largest number in a sum."""
    lessons: Positive = 9000
    """Arithmetic documents in pretraining, of two to four problems."""
    exercises: Positive = 4000
    """Arithmetic questions with worked answers in midtraining."""
    think_examples: Positive = 2000
    """Arithmetic questions answered in <think>."""
    think_phrasings: Count = 2
    """Ways of asking about each function of the library in think SFT; 0: think knows arithmetic only."""
    library_questions: Positive = 300
    """Functions of the library that the models shall know, the best known first."""
    midtrain_phrasings: Count = 3
    """Ways of asking about each of them in midtraining."""
    instruct_phrasings: Positive = 6
    """Ways of asking about each of them in instruct SFT."""
    instruct_arithmetic: Share = 0.3
    """Part of the instruct examples that are arithmetic, so that it is not forgotten."""
    restated: Share = 0.0
    """Part of those whose answer says the sum once more before it works it out: what length control can
    shorten."""
    follow_ups: Share = 0.1
    """Part of the SFT examples that come after another question and answer."""
    small_talk: Count = 2
    """Times that greetings and the like stand in each SFT store."""
    long_documents: Count = 0
    """Documents that are made to be long: needles, counts and repetitions, for the stage long-context, which
    gets the library's modules as well; 0: no store for it."""
    longest_document: Annotated[int, Between(64, 2**20)] = 2048
    """Tokens of the longest of them, about."""
    planned_s: Count = 30
    """Seconds the stage is expected to take, for a first estimate."""
