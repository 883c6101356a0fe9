"""Where a checkpoint that is not a stage's own may be put."""

from pathlib import Path

from django.conf import settings

from training.core.errors import CheckpointError
from training.core.recipe_files import check_name
from training.models import Checkpoint

LONGEST = 100


def free_folder(name: str) -> Path:
    """The directory of a new checkpoint of that name. Raises RecipeError for what is no name, CheckpointError
    for one that is too long or taken."""
    check_name(name)
    if len(name) > LONGEST:
        raise CheckpointError(f"the name is {len(name)} characters long: take {LONGEST} at most")
    folder: Path = settings.HOME / "checkpoints" / name
    if folder.exists() or Checkpoint.objects.filter(name=name).exists():
        raise CheckpointError(f"there is a checkpoint {name} already: choose another name")
    return folder
