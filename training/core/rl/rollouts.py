"""Rollouts: answers sampled from the policy, with the log-probability that each of their tokens had."""

# ruff: noqa: N806  (capitals at the end of a name are the array's shape)

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from tokenizers import Tokenizer

from training.core.chat import END_OF_TEXT, PAD, TURN_END
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
        self._padding = special_id(tokenizer, PAD)
        self._ends = [special_id(tokenizer, END_OF_TEXT), special_id(tokenizer, TURN_END)]
        self._version = 0

    def update(self, version: int) -> None:
        self._version = version

    @torch.no_grad()
    def ask(self, prompts: Sequence[Ids], answers: int, seed: int) -> list[list[Rollout]]:
        repeated = [list(prompt) for prompt in prompts for _ in range(answers)]
        training = self._model.training
        self._model.eval()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            sampled_BT, logprobs_BT = self._sample(repeated)
        self._model.train(training)
        rollouts = [
            self._rollout(prompt, sampled, logprobs)
            for prompt, sampled, logprobs in zip(
                repeated, sampled_BT.tolist(), logprobs_BT.tolist(), strict=True
            )
        ]
        return [rollouts[first : first + answers] for first in range(0, len(rollouts), answers)]

    def _sample(self, prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """The sampled ids and their log-probabilities, both of shape [prompts, tokens]."""
        width, device = max(map(len, prompts)), self._model.device
        left = [width - len(row) for row in prompts]
        ids_BT = torch.tensor([[self._padding] * n + row for n, row in zip(left, prompts, strict=True)])
        mask_BT = torch.tensor([[0] * n + [1] * len(row) for n, row in zip(left, prompts, strict=True)])
        found = self._model.generate(
            input_ids=ids_BT.to(device),
            attention_mask=mask_BT.to(device),
            max_new_tokens=self._longest,
            eos_token_id=self._ends,
            pad_token_id=self._padding,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        sampled_BT = found.sequences[:, width:]
        logprobs = [
            logits_BV.float().log_softmax(-1).gather(1, sampled_BT[:, place, None])[:, 0]
            for place, logits_BV in enumerate(found.logits)
        ]
        return sampled_BT, torch.stack(logprobs, dim=1)

    def _rollout(self, prompt: list[int], sampled: list[int], logprobs: list[float]) -> Rollout:
        ended = next((place + 1 for place, token in enumerate(sampled) if token in self._ends), len(sampled))
        answer = sampled[:ended]
        spoken = answer[:-1] if answer and answer[-1] in self._ends else answer
        text = self._tokenizer.decode(spoken, skip_special_tokens=False)
        logs, version = tuple(logprobs[:ended]), self._version
        return Rollout(tuple(prompt), tuple(answer), logs, text, version, version)
