"""The training loss: mean negative log-likelihood of the labelled tokens, and the z-loss that keeps logits
small."""

# ruff: noqa: N803, N806  (capitals at the end of a name are the array's shape)

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
    nll_N, normaliser_N = LogLikelihood.apply(logits_NV, batch.labels_BT[kept_BT])  # type: ignore[no-untyped-call]
    count = len(nll_N) if labelled is None else labelled
    nll = nll_N.sum() / count
    return nll + z_loss * (normaliser_N.square().sum() / count), nll.detach()


class LogLikelihood(torch.autograd.Function):
    """(logits_NV, labels_N) -> the labels' negative log-likelihoods and the log of the softmax's normalisers,
    each of N, from one pass over the logits forwards and one backwards: written out with logsumexp, the
    passes over N x V numbers were a sixth of a pretraining step of the demo's model."""

    @staticmethod
    def forward(
        ctx: Any, logits_NV: torch.Tensor, labels_N: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logprobs_NV = logits_NV.log_softmax(-1)
        right_N1 = logprobs_NV.gather(1, labels_N[:, None])
        ctx.save_for_backward(logprobs_NV, labels_N)
        return -right_N1[:, 0], (logits_NV.gather(1, labels_N[:, None]) - right_N1)[:, 0]

    @staticmethod
    def backward(ctx: Any, *gradients_N: torch.Tensor) -> tuple[torch.Tensor, None]:
        nll_N, normaliser_N = gradients_N
        logprobs_NV, labels_N = ctx.saved_tensors
        # In place: autograd refuses a second walk over what has changed since the first.
        gradient_NV = logprobs_NV.exp_().mul_((nll_N + normaliser_N)[:, None])
        return gradient_NV.scatter_add_(1, labels_N[:, None], -nll_N[:, None]), None
