"""The training loss: mean negative log-likelihood of the labelled tokens, and the z-loss that keeps logits
small."""

# ruff: noqa: N806  (capitals at the end of a name are the array's shape)

from typing import Any

import torch

from training.core.batches import IGNORED, Batch


def next_token_loss(
    model: Any, batch: Batch, z_loss: float, labelled: float | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(objective, negative log-likelihood), both means over the labelled tokens, in fp32; or, for a portion
    of a step with `labelled` such tokens in all, its summands of the step's means.

    The z-loss is `z_loss` times the squared log of the softmax's normaliser (PaLM, section 5; Olmo 3 uses
    1e-5). The head is applied to labelled positions only: in SFT the prompts' logits would be half of the
    work. No attention mask is passed, since positions that restart are what keeps packed documents apart: a
    mask of ones undoes it."""
    hidden_BTD = model.model(input_ids=batch.ids_BT, position_ids=batch.positions_BT, use_cache=False)[0]
    kept_BT = batch.labels_BT != IGNORED
    logits_NV = model.lm_head(hidden_BTD[kept_BT]).float()
    normaliser_N = logits_NV.logsumexp(-1)
    right_N = logits_NV.gather(1, batch.labels_BT[kept_BT][:, None])[:, 0]
    count = len(right_N) if labelled is None else labelled
    nll = (normaliser_N - right_N).sum() / count
    return nll + z_loss * (normaliser_N.square().sum() / count), nll.detach()
