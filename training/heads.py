"""The checkpoints that people meet first: one think and one instruct model."""

from training.models import Checkpoint

EXPERIMENTS = ("rl-zero", "rl-zero-spurious", "microanneal", "long-context")
"""Stages that show something about a base model, and make none to talk to."""
SLACK = 0.01
"""By how much a share may fall and still pass for the same."""


def find_heads() -> list[Checkpoint]:
    """The newest finished think and instruct checkpoints, think first; but where a stage after SFT lost what
    the one before it knew, that one."""
    finals = list(
        Checkpoint.objects.filter(final=True, chat="chatml")
        .exclude(stage__in=EXPERIMENTS)
        .exclude(job__flow__recipe="")  # fine-tunes are chosen by who wants them
        .order_by("-created_at", "-id")
    )
    picks = (next((c for c in finals if c.thinking is thinking), None) for thinking in (True, False))
    return [best_of_line(pick) for pick in picks if pick]


def best_of_line(checkpoint: Checkpoint) -> Checkpoint:
    """This one, or of those that it was made from, of its kind, the one that knew more."""
    best = checkpoint
    before = kindred_parent(checkpoint)
    while before is not None:
        if is_worse(best, before):
            best = before
        before = kindred_parent(before)
    return best


def kindred_parent(checkpoint: Checkpoint) -> Checkpoint | None:
    kindred = checkpoint.parents.filter(final=True, chat="chatml", thinking=checkpoint.thinking)
    return kindred.first()


def is_worse(checkpoint: Checkpoint, before: Checkpoint) -> bool:
    """Whether a share that was measured of both fell: answers of the library recited, or sums."""
    shares, earlier = known(checkpoint.scores), known(before.scores)
    return any(shares[name] < earlier[name] - SLACK for name in shares.keys() & earlier.keys())


def known(scores: dict[str, float]) -> dict[str, float]:
    shares = {"greedy": scores["greedy"]} if "greedy" in scores else {}
    if scores.get("recited_of") and "recited" in scores:
        shares["recited"] = scores["recited"] / scores["recited_of"]
    return shares
