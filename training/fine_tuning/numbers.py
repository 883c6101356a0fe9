"""The numbers that the form asks for, and what it teaches about each."""

from dataclasses import dataclass

from training.fine_tuning.stages import family

SUPERVISED, DPO, RL = ("midtrain", "sft"), ("dpo",), ("rlvr", "rl-zero")
ALL = (*SUPERVISED, *DPO, *RL)


@dataclass(frozen=True)
class Number:
    """A setting of a stage's recipe as the form asks for it, for these kinds of stages."""

    setting: str
    label: str
    help: str
    kinds: tuple[str, ...] = ALL
    is_detail: bool = False
    """Whether it is shown only to who wants to see more."""


NUMBERS = (
    Number(
        "learning_rate",
        "Learning rate",
        "How far each step goes. Too high and the loss jumps or the model forgets what it knew; too low and "
        "little is learned. Between a third and three times what is proposed is worth trying.",
    ),
    Number(
        "epochs",
        "Epochs",
        "How often each document is seen. Two or three are usual; a handful of documents needs more before "
        "they are known by heart, and with more the model may answer everything from them.",
        (*SUPERVISED, *DPO),
    ),
    Number(
        "steps",
        "Steps",
        "Updates of the weights, each after one batch of fresh answers.",
        RL,
    ),
    Number(
        "batch_size",
        "Batch size",
        "Sequences in a step (of DPO pairs, of RL prompts). More make each step steadier, and fewer steps of "
        "the same data; memory grows with it.",
    ),
    Number(
        "sequence_length",
        "Sequence length",
        "Tokens in a sequence. Longer documents are cut there, so it should hold the longest that matter.",
    ),
    Number(
        "beta",
        "Beta",
        "How strongly the model is held to where it started while it learns to prefer: lower lets it move "
        "further.",
        DPO,
    ),
    Number(
        "answers",
        "Answers to a prompt",
        "They are compared with each other: with more, a prompt that is rarely solved still teaches "
        "something.",
        RL,
    ),
    Number(
        "longest_answer",
        "Longest answer",
        "Tokens after which an answer is cut, and most likely counts as wrong.",
        RL,
    ),
    Number(
        "checkpoints",
        "Intermediate checkpoints",
        "Published on the way, evenly spaced, each to chat with and to run on from. The last comes on top.",
        is_detail=True,
    ),
    Number(
        "held_out",
        "Documents held out",
        "Kept out of training, to see by the loss on them whether more than these documents is learned.",
        (*SUPERVISED, *DPO),
        is_detail=True,
    ),
    Number(
        "held_out_problems",
        "Held-out sums",
        "Asked at the end where the checkpoint was taught sums, to see what it has forgotten; 0: none.",
        is_detail=True,
    ),
    Number(
        "warmup_share",
        "Warm-up",
        "Part of the steps in which the learning rate rises from zero, so that the first do no harm.",
        is_detail=True,
    ),
    Number(
        "weight_decay",
        "Weight decay",
        "Pulls the weights towards zero a little with each step. Fine-tunes are usually done without.",
        is_detail=True,
    ),
    Number(
        "seed",
        "Seed",
        "Of the order in which documents are read. The same seed gives the same run.",
        is_detail=True,
    ),
)
LORA = (
    Number("rank", "Rank", "Columns of each matrix: the larger, the more it can learn, and weighs.", ()),
    Number("alpha", "Alpha", "What it adds is multiplied by alpha / rank; twice the rank is usual.", ()),
)


def numbers_for(stage: str) -> list[Number]:
    """What is asked for this stage, in the order of the form."""
    return [number for number in NUMBERS if family(stage) in number.kinds]
