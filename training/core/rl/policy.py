"""Reinforcement learning with verifiable rewards as an objective of the training loop."""

# ruff: noqa: N806  (capitals at the end of a name are the array's shape)

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch

from training.core.batches import IGNORED, Batch
from training.core.model import autocast
from training.core.objective import Computed, Portion
from training.core.recipe import RlvrRecipe
from training.core.rl.collecting import Supply
from training.core.rl.groups import NO_SIGNAL, STALE, UNUSED, Collected
from training.core.rl.objective import Clipping, olmo_rl_loss
from training.core.rl.record import Record
from training.core.rl.rollouts import Rollout
from training.core.stage import Stage
from training.core.verifiers.verdict import VerifierError

PATIENCE = 3
"""Steps in a row whose every group the verifier failed on, after which the job fails."""


class Policy:
    """Each step takes the groups that it is supplied with, and moves the policy once.

    So the ratio of the new policy to the old is 1 as it moves. What is corrected is the way from the engine
    to the learner: how the engine rounds, and how many steps its weights are behind."""

    is_repeatable: ClassVar[bool] = False

    def __init__(self, stage: Stage, recipe: RlvrRecipe, supply: Supply, record: Record) -> None:
        self._stage, self._recipe, self._supply, self._record = stage, recipe, supply, record
        self._clipping = Clipping(recipe.clip_low, recipe.clip_high, recipe.trust)
        self._solved: set[str] | None = None
        self._unverified = 0
        self.steps = recipe.steps
        self.step_tokens = recipe.batch_size * recipe.answers * recipe.sequence_length

    def portions(self, step: int) -> Iterator[Portion]:
        with autocast():  # as the learner computes
            collected = self._collect(step)
        told, learned = measured(collected, step), list(learned_from(collected))
        if not learned:
            yield partial(self._stay, told)
        tokens = sum(len(rollout.answer_ids) for rollout, _ in learned)
        rows = self._recipe.micro_batch_size or max(1, len(learned))
        for first in range(0, len(learned), rows):
            yield partial(self._compute, learned[first : first + rows], tokens, told)
            told = dict.fromkeys(told, 0.0)  # what is told of portions adds up

    def _stay(self, told: Mapping[str, float]) -> Computed:
        """Nothing to learn from: a step that gives no parameter a gradient, so that none moves, not even by
        the momentum of the steps before."""
        nothing = torch.zeros((), requires_grad=True)
        return nothing, {"loss": nothing.detach(), **_tensors(told), "engine_gap": nothing.detach()}

    def _compute(
        self, learned: Sequence[tuple[Rollout, float]], tokens: int, told: Mapping[str, float]
    ) -> Computed:
        """Rollouts with their advantages, out of a step of so many answer tokens."""
        batch = answer_batch([rollout for rollout, _ in learned], self._stage.padding)
        now_N = token_logprobs(self._stage.model, batch.to(self._stage.model.device))
        engine_N, advantages_N = per_token(learned, now_N.device)
        share = len(now_N) / tokens
        loss = share * olmo_rl_loss(now_N, now_N.detach(), engine_N, advantages_N, self._clipping)
        gap = share * (now_N.detach() - engine_N).abs().mean()
        return loss, {"loss": loss.detach(), **_tensors(told), "engine_gap": gap}

    def _collect(self, step: int) -> Collected:
        if self._solved is None:
            self._solved = self._record.solved_before(step + 1)
        collected = self._supply.collect(step, self._solved)
        if step + 1 == self.steps:
            collected = replace(collected, dropped=(*collected.dropped, *self._supply.leftovers()))
        self._record.write(step + 1, collected)
        self._tell_of_failures(step, collected)
        return collected

    def _tell_of_failures(self, step: int, collected: Collected) -> None:
        """Groups that could not be verified are left out, and never in silence. Raises VerifierError where
        nothing could be, for PATIENCE steps on end."""
        failures = collected.failures
        if not failures:
            self._unverified = 0
            return
        self._stage.job.events.log(
            f"step {step + 1}: {len(failures)} of {collected.asked} groups left out, because they could not "
            f"be verified: {failures[0]}",
            "warning",
        )
        self._unverified = self._unverified + 1 if len(failures) == len(collected.all) else 0
        if self._unverified >= PATIENCE:
            raise VerifierError(
                f"nothing could be verified in {PATIENCE} steps on end: {failures[0]}. What was published is "
                "kept; put the verifier right, then run on"
            )


def learned_from(collected: Collected) -> Iterator[tuple[Rollout, float]]:
    """The rollouts of a step, each with its advantage."""
    for group in collected.groups:
        yield from zip(group.rollouts, group.advantages, strict=True)


def per_token(
    learned: Sequence[tuple[Rollout, float]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """The engine's log-probability and the advantage of each answer token, shape [tokens]."""
    engine, advantages = list[float](), list[float]()
    for rollout, advantage in learned:
        engine += rollout.logprobs
        advantages += [advantage] * len(rollout.answer_ids)
    return torch.tensor(engine, device=device), torch.tensor(advantages, device=device)


def measured(collected: Collected, step: int) -> dict[str, float]:
    """What is told of a step's groups."""
    rollouts = [rollout for group in collected.groups for rollout in group.rollouts]
    behind = [step - group.version for group in collected.groups]
    tokens = sum(len(rollout.answer_ids) for rollout in rollouts)
    return {
        "reward": collected.reward,
        "asked": float(collected.asked),
        "kept": len(collected.groups) / max(1, collected.asked),
        "no_signal": float(collected.dropped_for(NO_SIGNAL)),
        "stale": float(collected.dropped_for(STALE)),
        "unverified": float(len(collected.failures)),
        "lost": float(collected.lost),
        "unused": float(collected.dropped_for(UNUSED)),
        "staleness": sum(behind) / max(1, len(behind)),
        "answer_tokens": tokens / max(1, len(rollouts)),
    }


def answer_batch(rollouts: Sequence[Rollout], padding: int) -> Batch:
    """A row for each rollout, its answer's tokens labelled."""
    width = max(len(r.prompt_ids) + len(r.answer_ids) for r in rollouts)
    ids_BT = torch.full((len(rollouts), width), padding)
    labels_BT = torch.full((len(rollouts), width), IGNORED)
    positions_BT = torch.zeros_like(ids_BT)
    for row, rollout in enumerate(rollouts):
        both, first = torch.tensor([*rollout.prompt_ids, *rollout.answer_ids]), len(rollout.prompt_ids) - 1
        ids_BT[row, : len(both)], positions_BT[row, : len(both)] = both, torch.arange(len(both))
        labels_BT[row, first : len(both) - 1] = both[first + 1 :]
    return Batch(ids_BT, labels_BT, positions_BT)


def token_logprobs(model: Any, batch: Batch) -> torch.Tensor:
    """Log-probability of each labelled token, row after row, shape [tokens], in fp32."""
    hidden_BTD = model.model(input_ids=batch.ids_BT, position_ids=batch.positions_BT, use_cache=False)[0]
    kept_BT = batch.labels_BT != IGNORED
    logits_NV = model.lm_head(hidden_BTD[kept_BT]).float()
    logprobs_N: torch.Tensor = logits_NV.log_softmax(-1).gather(1, batch.labels_BT[kept_BT][:, None])[:, 0]
    return logprobs_N


def _tensors(values: Mapping[str, float]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in values.items()}
