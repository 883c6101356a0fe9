"""What a newcomer sees first: prompts that work on the models at hand."""

from dataclasses import dataclass

from accounts.models import User
from training.access import checkpoints_for
from training.heads import find_heads


@dataclass(frozen=True)
class Example:
    """A prompt to try, the model that answers it best, and why it is worth a try."""

    text: str
    model: str
    why: str


def examples(user: User | None = None) -> list[Example]:
    """Prompts for the think and the instruct model; for a base model before there are any."""
    open_to = set(checkpoints_for(user).values_list("name", flat=True))
    found_heads = [head for head in find_heads() if head.name in open_to]
    heads = {("think" if head.thinking else "instruct"): head.name for head in found_heads}
    found = []
    if think := heads.get("think"):
        found += [
            Example("What is 47 + 38?", think, "It thinks in steps. See which lessons each step repeats."),
            Example(
                "Tom has 52 apples and gives away 17. How many apples does Tom have?",
                think,
                "A word problem.",
            ),
        ]
    if instruct := heads.get("instruct"):
        found.append(
            Example(
                "What does os.path.join do?",
                instruct,
                "An answer that leads to a line of the standard library.",
            )
        )
    newest = checkpoints_for(user).order_by("created_at", "id").last()
    if not found and newest:
        found.append(Example("def __init__(self", newest.name, "A base model goes on with your text."))
    return found
