"""Which of several engines answers: the least busy, or one that has read the prompt's beginning already."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BLOCK_TOKENS = 64
"""Prefixes are compared in blocks of so many tokens; engines cache theirs in blocks of 16 to 128."""
LONGEST_BLOCKS = 256
BLOCKS_KEPT = 65_536
SLACK = 4
"""An engine that knows the prefix is taken although it has so many answers more than the least busy one, or
half as many again: reading a prompt anew costs less than waiting behind a crowd."""


@dataclass(frozen=True)
class Candidate:
    """An engine that holds the model. `load`: how many answers it is writing."""

    slot: int
    load: int


class Router:
    """Remembers which engine was given which prompts. For one thread."""

    def __init__(self) -> None:
        self._readers: OrderedDict[int, set[int]] = OrderedDict()
        self._chosen_at: dict[int, int] = {}
        self._choices = 0

    def choose(self, candidates: Sequence[Candidate], prompt_ids: Sequence[int]) -> int:
        """The slot of one of the candidates, of which there must be one."""
        blocks = list(block_keys(prompt_ids)) if len(candidates) > 1 else []
        least = min(candidate.load for candidate in candidates)
        within = [c for c in candidates if c.load <= least + max(SLACK, least // 2)]
        known = {c.slot: self._known_blocks(c.slot, blocks) for c in within}
        best = max(known.values(), default=0)
        able = [c for c in within if known[c.slot] == best] if best else candidates
        chosen = min(able, key=lambda c: (c.load, self._chosen_at.get(c.slot, 0))).slot
        self._remember(chosen, blocks)
        return chosen

    def forget(self, slot: int) -> None:
        """The engine has begun anew: it knows no prompt any more."""
        for readers in self._readers.values():
            readers.discard(slot)

    def _known_blocks(self, slot: int, blocks: Sequence[int]) -> int:
        """How many blocks at the beginning the engine has read."""
        for count, block in enumerate(blocks):
            if slot not in self._readers.get(block, ()):
                return count
        return len(blocks)

    def _remember(self, slot: int, blocks: Sequence[int]) -> None:
        self._choices += 1
        self._chosen_at[slot] = self._choices
        for block in blocks:
            self._readers.setdefault(block, set()).add(slot)
            self._readers.move_to_end(block)
        while len(self._readers) > BLOCKS_KEPT:
            self._readers.popitem(last=False)


def block_keys(prompt_ids: Sequence[int]) -> Iterator[int]:
    """One key a whole block, which stands for all tokens from the prompt's beginning to the block's end."""
    key = 0
    for start in range(0, min(len(prompt_ids), BLOCK_TOKENS * LONGEST_BLOCKS), BLOCK_TOKENS):
        block = tuple(prompt_ids[start : start + BLOCK_TOKENS])
        if len(block) == BLOCK_TOKENS:
            key = hash((key, block))
            yield key
