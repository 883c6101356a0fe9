"""What the policy earns on prompts that it is never trained on."""

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

from tokenizers import Tokenizer

from training.core.evaluation.exam import Scores
from training.core.rl.groups import reward_all
from training.core.rl.rollouts import LocalActor
from training.core.rl.tasks import Asked

SEED = 123
AT_ONCE = 64


class HeldOutPrompts:
    """The prompts held out, each asked once, at temperature 1, of the model itself; with the same seed every
    time, so that two checkpoints differ by what they are."""

    def __init__(
        self, asked: Sequence[Asked], model: Any, tokenizer: Tokenizer, *, longest: int, pool: Executor
    ) -> None:
        self._asked, self._pool = asked, pool
        self._actor = LocalActor(model, tokenizer, longest=longest)

    def scores(self) -> Scores:
        """`held_out_reward`: the mean of what could be verified; nothing where nothing was held out or could
        be."""
        rewards = list[float]()
        for first in range(0, len(self._asked), AT_ONCE):
            batch = self._asked[first : first + AT_ONCE]
            answers = self._actor.ask([item.prompt_ids for item in batch], 1, SEED + first)
            groups = reward_all(batch, answers, self._pool)
            rewards += [group.mean for group in groups if not group.failure]
        return {"held_out_reward": sum(rewards) / len(rewards)} if rewards else {}
