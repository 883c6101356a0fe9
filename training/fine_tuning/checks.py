"""What has to hold of a checkpoint, data and a name before a fine-tune is begun."""

from tracing.models import Store
from training.core.errors import JobError, RecipeError
from training.core.recipe_files import check_name
from training.fine_tuning.stages import StageChoice, family
from training.models import Checkpoint, Dataset, Flow
from training.verification import check_usable

NAME_CHARACTERS_MAX = 40


def check_parent(parent: Checkpoint) -> None:
    """Raises TrainingError unless the checkpoint can be started from."""
    if not parent.path.is_dir():
        raise JobError(f"the files of {parent} are not on this machine: put them back, or choose another")
    check_usable(parent)


def check_data(choice: StageChoice, parent: Checkpoint, dataset: Dataset | None, store: Store | None) -> None:
    """Raises JobError unless the stage can read this data from this checkpoint."""
    if dataset is not None and store is not None:
        raise JobError("choose a data set or a store, not both")
    if dataset is not None:
        check_dataset(choice, dataset)
    elif store is not None:
        check_store(choice, parent, store)
    elif not choice.makes_its_own_data:
        raise JobError(f"{choice.name} needs data to learn from: choose a data set or a store")


def check_dataset(choice: StageChoice, dataset: Dataset) -> None:
    if choice.format is None:
        raise JobError(f"{choice.name} reads a corpus, not an upload: choose a store of plain text")
    if not dataset.is_ready:
        raise JobError(
            f"the data set {dataset.name!r} is {dataset.get_state_display()}: it cannot be used yet"
        )
    if dataset.format != choice.format:
        raise JobError(
            f"{choice.name} reads {choice.format.label}; {dataset.name!r} holds "
            f"{dataset.get_format_display()}: choose another data set or stage"
        )


def check_validation(choice: StageChoice, validation: Dataset) -> None:
    """Raises JobError unless the stage can be measured on the rows of that data set as it trains."""
    if family(choice.name) != "sft":
        raise JobError(f"{choice.name} takes no validation data: only SFT is measured on rows of a file")
    check_dataset(choice, validation)


def check_store(choice: StageChoice, parent: Checkpoint, store: Store) -> None:
    if not store.is_here:
        raise JobError(f"the store {store} is not on this machine: put it back, or choose another")
    if store.tokenizer != parent.tokenizer:
        raise JobError(
            f"the store {store} has the token ids of another tokenizer than {parent}'s: import its corpus "
            "with that checkpoint's tokenizer"
        )
    if store.stage not in choice.stores_of:
        raise JobError(f"{choice.name} cannot read {store}, a store for {store.stage}: choose another")


def free_name(name: str, stage: str, *, is_chosen: bool) -> str:
    """The name, checked; with a number behind it where nobody chose it and it is taken. Raises RecipeError or
    JobError."""
    check_name(name)
    if len(name) > NAME_CHARACTERS_MAX:
        raise RecipeError(f"the name {name!r} is longer than {NAME_CHARACTERS_MAX} characters: shorten it")
    taken = set(Flow.objects.filter(name__startswith=name).values_list("name", flat=True))
    made = Checkpoint.objects.filter(name__startswith=name, name__endswith=f"-{stage}")
    taken |= {found.removesuffix(f"-{stage}") for found in made.values_list("name", flat=True)}
    if name not in taken:
        return name
    if is_chosen:
        raise JobError(f"the name {name} is taken: choose another")
    return next(free for number in range(2, len(taken) + 3) if (free := f"{name}-{number}") not in taken)
