"""The stages that people start from a checkpoint, and which of them make sense for which."""

from dataclasses import dataclass

from tracing.models import Store
from training.core.chat import CHATML
from training.core.errors import JobError
from training.models import Checkpoint, DatasetFormat


@dataclass(frozen=True)
class StageChoice:
    """A stage as a person chooses it: what it teaches, which uploads it takes (`format`; None: none), and the
    stages whose stores it can read instead."""

    name: str
    title: str
    teaches: str
    format: DatasetFormat | None
    stores_of: tuple[str, ...]

    @property
    def makes_its_own_data(self) -> bool:
        """Whether it can do without data: it asks the sums that the checkpoint was taught."""
        return self.format == DatasetFormat.PROMPT


FAMILIES = ("midtrain", "sft", "dpo", "rlvr", "rl-zero")
SFT, DPO = ("think-sft", "instruct-sft"), ("think-dpo", "instruct-dpo")
CORPORA = ("pretrain", "midtrain", "corpus", "long-context")
CHOICES = {
    choice.name: choice
    for choice in (
        StageChoice(
            "midtrain",
            "Continued pretraining",
            "Goes on reading plain text, so that it knows what is in it. For base checkpoints.",
            None,
            CORPORA,
        ),
        StageChoice(
            "instruct-sft",
            "SFT, instruct",
            "Answers at once, as the assistant of your conversations does.",
            DatasetFormat.CHAT,
            SFT,
        ),
        StageChoice(
            "think-sft",
            "SFT, think",
            "Thinks in <think> before it answers, as the assistant of your conversations does.",
            DatasetFormat.CHAT,
            SFT,
        ),
        StageChoice(
            "instruct-dpo",
            "DPO, instruct",
            "Prefers the answers that you chose to those that you rejected.",
            DatasetFormat.PREFERENCE,
            DPO,
        ),
        StageChoice(
            "think-dpo",
            "DPO, think",
            "Prefers the thoughts and answers that you chose to those that you rejected.",
            DatasetFormat.PREFERENCE,
            DPO,
        ),
        StageChoice(
            "instruct-rlvr",
            "RLVR, instruct",
            "Tries answers to your prompts and learns from those that a verifier finds right.",
            DatasetFormat.PROMPT,
            (),
        ),
        StageChoice(
            "think-rlvr",
            "RLVR, think",
            "Tries thoughts and answers to your prompts and learns from those that a verifier finds right.",
            DatasetFormat.PROMPT,
            (),
        ),
        StageChoice(
            "rl-zero",
            "RL-Zero",
            "Learns from verified answers without having been taught to chat first. For base checkpoints.",
            DatasetFormat.PROMPT,
            (),
        ),
    )
}
FROM_BASE = ("instruct-sft", "think-sft", "midtrain", "rl-zero")
FROM_THINK = ("think-sft", "think-dpo", "think-rlvr", "instruct-sft")
FROM_INSTRUCT = ("instruct-sft", "instruct-dpo", "instruct-rlvr", "think-sft")


def stages_for(parent: Checkpoint) -> list[StageChoice]:
    """The stages that make sense from this checkpoint, the likeliest first."""
    chats = parent.chat == CHATML
    names = (FROM_THINK if parent.thinking else FROM_INSTRUCT) if chats else FROM_BASE
    return [CHOICES[name] for name in names]


def stage_for(parent: Checkpoint, stage: str) -> StageChoice:
    """The stage of that name, if it makes sense from the checkpoint. Raises JobError."""
    choices = {choice.name: choice for choice in stages_for(parent)}
    if stage not in choices:
        raise JobError(
            f"the stage {stage!r} cannot start from {parent}, a checkpoint of kind {kind_of(parent)}: choose "
            f"one of {', '.join(choices)}"
        )
    return choices[stage]


def kind_of(checkpoint: Checkpoint) -> str:
    if checkpoint.chat != CHATML:
        return "base"
    return "think" if checkpoint.thinking else "instruct"


def stores_for(parent: Checkpoint, choice: StageChoice) -> list[Store]:
    """The stores that the stage can read from this checkpoint: of its kind, and of the checkpoint's token
    ids."""
    return list(Store.objects.filter(tokenizer=parent.tokenizer, stage__in=choice.stores_of))


def family(stage: str) -> str:
    """The kind of a stage: think-sft and instruct-sft are both sft."""
    return next((name for name in FAMILIES if stage.startswith(name) or stage.endswith(name)), stage)
