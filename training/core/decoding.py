"""Answers from a model that is still in training, token by token, for many prompts at once.

transformers' `generate` makes masks, caches and processors anew for each token, which for a small model on a
CPU is most of the work. This calls the model's own modules one after the other, reads a prompt once however
many answers it gets, and drops answers that have ended from the batch.
"""

# ruff: noqa: N803, N806  (capitals at the end of a name are the array's shape)

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

MASKED = -1e9  # finite, so that a row of padding has no softmax of nothing
DROPPED_FROM = 0.25  # of a batch that has ended: then the rest is copied together


@dataclass(frozen=True)
class Continuation:
    """The ids that follow a prompt, the one that ended them too if there is one, and the log-probability of
    each at temperature 1."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]


@torch.no_grad()
def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    longest: int,
    ends: Sequence[int],
    temperature: float = 0.0,
    answers: int = 1,
) -> list[list[Continuation]]:
    """So many continuations of each prompt (`Olmo3ForCausalLM`), each up to one of `ends` or of `longest`
    tokens; greedy at temperature 0, else sampled from the whole vocabulary with torch's random numbers."""
    rows = _Rows(model, prompts, longest, answers)
    ends_E = torch.tensor(list(ends), device=model.device)
    found: list[tuple[list[int], list[float]]] = [([], []) for _ in range(len(prompts) * answers)]
    for _ in range(longest):
        logprobs_BV = rows.logits_BV.float().log_softmax(-1)
        next_B = _choose(logprobs_BV, temperature)
        taken_B = logprobs_BV.gather(1, next_B[:, None])[:, 0]
        for number, token, logprob in zip(rows.numbers, next_B.tolist(), taken_B.tolist(), strict=True):
            if number >= 0:
                found[number][0].append(token)
                found[number][1].append(logprob)
        if not rows.go_on(next_B, torch.isin(next_B, ends_E)):
            break
    done = [Continuation(tuple(ids), tuple(logprobs)) for ids, logprobs in found]
    return [done[first : first + answers] for first in range(0, len(done), answers)]


def _choose(logprobs_BV: torch.Tensor, temperature: float) -> torch.Tensor:
    if not temperature:
        return logprobs_BV.argmax(-1)
    # By inverting the cumulative distribution: torch.multinomial draws a random number for every entry of the
    # vocabulary, which took half of the time of a whole step.
    shares_BV = (logprobs_BV / temperature).softmax(-1).cumsum(-1)
    drawn_B1 = shares_BV[:, -1:] * torch.rand(len(shares_BV), 1, device=shares_BV.device)
    return torch.searchsorted(shares_BV, drawn_B1, right=True)[:, 0].clamp(max=shares_BV.shape[1] - 1)


class _Rows:
    """The answers that are still growing: a row each, prompts flush right, keys and values of every layer."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], longest: int, answers: int) -> None:
        self._model, self._config = model, model.config
        self._width = max(map(len, prompts))
        self._end = self._width + longest
        self._column = 0
        self._cache: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._set_left([self._width - len(prompt) for prompt in prompts])
        ids_BT = torch.zeros(len(prompts), self._width, dtype=torch.long, device=model.device)
        for row, prompt in enumerate(prompts):
            ids_BT[row, self._width - len(prompt) :] = torch.tensor(list(prompt))
        self.logits_BV = self._read(ids_BT)
        self.numbers = list(range(len(prompts) * answers))
        """Of each row, the answer that it is; -1 once that has ended."""
        self._keep(torch.arange(len(prompts), device=model.device).repeat_interleave(answers))

    def go_on(self, next_B: torch.Tensor, ended_B: torch.Tensor) -> bool:
        """Read each row's next token; False when no row goes on, or there is no room for more."""
        for row in ended_B.nonzero()[:, 0].tolist():
            self.numbers[row] = -1
        growing = [row for row, number in enumerate(self.numbers) if number >= 0]
        if not growing or self._column + 1 >= self._end:
            return False
        if len(growing) <= (1 - DROPPED_FROM) * len(self.numbers):
            kept_B = torch.tensor(growing, device=next_B.device)
            self._keep(kept_B)
            self.numbers, next_B = [self.numbers[row] for row in growing], next_B[kept_B]
        self.logits_BV = self._read(next_B[:, None])
        return True

    def _set_left(self, left: list[int]) -> None:
        """Where each row begins decides what it may look at and which position each column has."""
        left_B = torch.tensor(left, device=self._model.device)
        columns_T = torch.arange(self._end, device=left_B.device)
        self._hidden_BT = torch.where(columns_T < left_B[:, None], MASKED, 0.0)
        positions_BT = (columns_T - left_B[:, None]).clamp(min=0)
        rotary = self._model.model.rotary_emb
        like = self._model.model.norm.weight
        self._turns = {kind: rotary(like, positions_BT, kind) for kind in set(self._config.layer_types)}

    def _keep(self, rows_B: torch.Tensor) -> None:
        self.logits_BV, self._hidden_BT = self.logits_BV[rows_B], self._hidden_BT[rows_B]
        self._cache = [(keys[rows_B], values[rows_B]) for keys, values in self._cache]
        self._turns = {kind: (cos[rows_B], sin[rows_B]) for kind, (cos, sin) in self._turns.items()}

    def _read(self, ids_BT: torch.Tensor) -> torch.Tensor:
        """Logits after the last of these tokens, which come after those read before."""
        first, self._column = self._column, self._column + ids_BT.shape[1]
        model = self._model.model
        x_BTD = model.embed_tokens(ids_BT)
        for number, layer in enumerate(model.layers):
            x_BTD = x_BTD + layer.post_attention_layernorm(
                self._attend(layer.self_attn, number, x_BTD, first)
            )
            x_BTD = x_BTD + layer.post_feedforward_layernorm(layer.mlp(x_BTD))
        logits_BV: torch.Tensor = self._model.lm_head(model.norm(x_BTD[:, -1]))
        return logits_BV

    def _attend(self, attention: Any, number: int, x_BTD: torch.Tensor, first: int) -> torch.Tensor:
        """What `Olmo3Attention` computes, over the keys and values so far. Shapes: B rows, H heads, T new
        tokens, S tokens looked at, E the width of a head."""
        B, T, _ = x_BTD.shape
        split = (B, T, -1, attention.head_dim)
        queries_BHTE = attention.q_norm(attention.q_proj(x_BTD)).view(split).transpose(1, 2)
        keys_BHTE = attention.k_norm(attention.k_proj(x_BTD)).view(split).transpose(1, 2)
        values_BHTE = attention.v_proj(x_BTD).view(split).transpose(1, 2)
        cos, sin = (turn[:, None, first : self._column] for turn in self._turns[attention.attention_type])
        keys, values = self._remember(number, (_turned(keys_BHTE, cos, sin), values_BHTE.float()), first)
        window = attention.sliding_window or self._end
        seen = slice(max(0, first + 1 - window), self._column)
        hidden = self._hidden_BT[:, None, None, seen]
        if T > 1:
            hidden = hidden + _causal(T, window, x_BTD.device)
        # In fp32, for whose slices there are kernels that copy nothing.
        with torch.autocast(x_BTD.device.type, enabled=False):
            seen_keys, seen_values = (
                _shared(keys[:, :, seen], attention),
                _shared(values[:, :, seen], attention),
            )
            scores_BHTS = _turned(queries_BHTE, cos, sin) @ seen_keys.transpose(2, 3)
            mixed_BHTE = (scores_BHTS * attention.scaling + hidden).softmax(-1) @ seen_values
        mixed_BTD = mixed_BHTE.transpose(1, 2).reshape(B, T, -1).to(x_BTD.dtype)
        return attention.o_proj(mixed_BTD)  # type: ignore[no-any-return]

    def _remember(
        self, number: int, kept: tuple[torch.Tensor, torch.Tensor], first: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if number == len(self._cache):
            shape = (*kept[0].shape[:2], self._end, kept[0].shape[3])
            self._cache.append((kept[0].new_zeros(shape), kept[1].new_zeros(shape)))
        for whole, new in zip(self._cache[number], kept, strict=True):
            whole[:, :, first : self._column] = new
        return self._cache[number]


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding of queries or keys, in fp32."""
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-high, low), dim=-1) * sin


def _shared(x: torch.Tensor, attention: Any) -> torch.Tensor:
    """Keys or values for all query heads, where several share one."""
    groups = attention.num_key_value_groups
    return x if groups == 1 else x.repeat_interleave(groups, dim=1)


def _causal(T: int, window: int, device: torch.device) -> torch.Tensor:
    """For a prompt read from its first column on."""
    behind_TT = torch.arange(T, device=device)[:, None] - torch.arange(T, device=device)
    return torch.where((behind_TT < 0) | (behind_TT >= window), MASKED, 0.0)
