"""DPO: what a model prefers moves towards the chosen answers of pairs, measured against the model before."""

# ruff: noqa: N803, N806  (capitals at the end of a name are the array's shape)

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from training.core.adapters.adapted import as_it_began, has_adapter
from training.core.batches import IGNORED, Batch, read_batch
from training.core.objective import Computed, Portion
from training.core.parallel.rows import SharedOrder, portions, share_of
from training.core.parallel.sharding import shard_blocks
from training.core.recipe import ThinkDpoRecipe
from training.core.stage import Stage
from training.core.store_order import count_steps, store_order


class Preference:
    """Length-normalised DPO over a store of pairs (Olmo 3, section 5.3; the objective of Tulu 3):

    `-log sigmoid(beta (log-ratio(chosen) / |chosen| - log-ratio(rejected) / |rejected|))`, where a log-ratio
    is the answer's log-probability minus that of the model as the stage began, which is kept and frozen.
    """

    is_repeatable: ClassVar[bool] = True

    def __init__(self, stage: Stage, recipe: ThinkDpoRecipe) -> None:
        self._stage, self._recipe = stage, recipe
        # An adapter that is switched off leaves what it began with: no copy is needed.
        adapted = has_adapter(stage.model)
        self._copy = None if adapted else copy.deepcopy(stage.model).requires_grad_(False).eval()
        if self._copy is not None and stage.job.world.size > 1:
            shard_blocks(self._copy, stage.job.world)
        self._order = store_order(stage.store, recipe)
        self.steps = count_steps(self._order, recipe)
        self.step_tokens = self._mean_tokens()

    def portions(self, step: int) -> Iterator[Portion]:
        for batch in portions(self._batch(step), self._recipe.micro_batch_size, sides=2):
            yield partial(self._compute, batch.to(self._stage.model.device))

    def _compute(self, batch: Batch) -> Computed:
        """The batch's summands of the means over the step's pairs."""
        pairs = self._recipe.batch_size
        before_N = self._before(batch)
        now_N = answer_logprobs(self._stage.model, batch)
        margins = preference_margins(now_N, before_N, self._recipe.beta)
        loss = -F.logsigmoid(margins).sum() / pairs
        told = {"accuracy": (margins > 0).float().sum() / pairs, "margin": margins.detach().sum() / pairs}
        return loss, {"loss": loss.detach(), **told}

    @torch.no_grad()
    def _before(self, batch: Batch) -> torch.Tensor:
        """Mean log-probabilities of the model as the stage began, shape [rows]."""
        if self._copy is not None:
            return answer_logprobs(self._copy, batch)
        with as_it_began(self._stage.model):
            return answer_logprobs(self._stage.model, batch)

    def _batch(self, step: int) -> Batch:
        """The step's chosen answers with their prompts, below them in the same order the rejected ones: those
        of this process's pairs."""
        widest = max(piece.length for piece in self._order.pieces(step))
        share = share_of(self._stage.job.world, self._recipe.batch_size)
        return read_batch(
            self._stage.store,
            SharedOrder(self._order, share),
            step,
            batch_size=2 * share.count,
            sequence_length=widest,
            padding=self._stage.padding,
        )

    def _mean_tokens(self) -> int:
        store = self._stage.store
        return round(2 * self._recipe.batch_size * store.tokens / store.documents)


def answer_logprobs(model: Any, batch: Batch) -> torch.Tensor:
    """Mean log-probability of each row's labelled tokens, shape [rows], in fp32."""
    hidden_BTD = model.model(input_ids=batch.ids_BT, position_ids=batch.positions_BT, use_cache=False)[0]
    kept_BT = batch.labels_BT != IGNORED
    logits_NV = model.lm_head(hidden_BTD[kept_BT]).float()
    logprobs_N = logits_NV.log_softmax(-1).gather(1, batch.labels_BT[kept_BT][:, None])[:, 0]
    rows_N = kept_BT.nonzero()[:, 0]
    sums_B = torch.zeros(len(kept_BT), device=logprobs_N.device).index_add(0, rows_N, logprobs_N)
    return sums_B / kept_BT.sum(1).clamp(min=1)


def preference_margins(now_N: torch.Tensor, before_N: torch.Tensor, beta: float) -> torch.Tensor:
    """beta times how much more the chosen answers' log-ratios grew than the rejected ones', shape [pairs].

    Both arguments are mean log-probabilities, of the chosen answers and then of the rejected ones."""
    chosen_P, rejected_P = (now_N - before_N).chunk(2)
    return beta * (chosen_P - rejected_P)


@torch.no_grad()
def pair_accuracy(model: Any, batch: Batch) -> float:
    """Share of the batch's pairs whose chosen answer is the likelier one, token for token."""
    chosen_P, rejected_P = answer_logprobs(model, batch).chunk(2)
    return float((chosen_P > rejected_P).float().mean())
