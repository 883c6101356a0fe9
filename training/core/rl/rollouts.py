"""Rollouts: answers sampled from the policy, with the log-probability that each of their tokens had."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from tokenizers import Tokenizer

from training.core.chat import END_OF_TEXT, TURN_END
from training.core.decoding import Continuation, decode
from training.core.tokenizer import special_id


@dataclass(frozen=True)
class Rollout:
    """One answer: ids of the prompt and of the answer, its end token too if it has one, and the
    log-probability of each of the answer's ids as the engine sampled it. `text` is without its end token."""

    prompt_ids: tuple[int, ...]
    answer_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    first_version: int = 0
    """Steps after which the weights were when it was asked for: none of its tokens is older."""
    last_version: int = 0
    """The same when it ended; more than `first_version` where the weights changed in mid-answer."""


Ids = Sequence[int]


class Actor(Protocol):
    """Whatever samples from the policy: the learner's own model here, an engine where there is one."""

    @property
    def name(self) -> str:
        """What it is, for the log and the manifest."""
        ...

    def ask(self, prompts: Sequence[Ids], answers: int, seed: int) -> list[list[Rollout]]:
        """So many answers to each prompt, given as ids, at temperature 1 from the whole vocabulary."""
        ...

    def update(self, version: int) -> None:
        """The learner's weights are now those after `version` steps."""
        ...


class LocalActor:
    """Samples with plain batched decoding from the model that is being trained. Equal seeds and weights give
    equal answers."""

    name = "the training process"

    def __init__(self, model: Any, tokenizer: Tokenizer, *, longest: int) -> None:
        self._model, self._tokenizer, self._longest = model, tokenizer, longest
        self._ends = [special_id(tokenizer, END_OF_TEXT), special_id(tokenizer, TURN_END)]
        self._context = int(model.config.max_position_embeddings)
        self._version = 0

    def update(self, version: int) -> None:
        self._version = version

    def ask(self, prompts: Sequence[Ids], answers: int, seed: int) -> list[list[Rollout]]:
        longest = min(self._longest, self._context - max(map(len, prompts)))
        training = self._model.training
        self._model.eval()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            found = decode(
                self._model, prompts, longest=longest, ends=self._ends, temperature=1.0, answers=answers
            )
        self._model.train(training)
        return [
            [self._rollout(prompt, answer) for answer in group]
            for prompt, group in zip(prompts, found, strict=True)
        ]

    def _rollout(self, prompt: Ids, answer: Continuation) -> Rollout:
        spoken = answer.ids[:-1] if answer.ids[-1] in self._ends else answer.ids
        text = self._tokenizer.decode(list(spoken), skip_special_tokens=False)
        return Rollout(tuple(prompt), answer.ids, answer.logprobs, text, self._version, self._version)
