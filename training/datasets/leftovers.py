"""What uploads and counts leave on the disk, once nobody needs it."""

import shutil
import time

from django.conf import settings

from tracing.models import Store
from training.datasets.models import Dataset

LEFT_S = 3600.0
"""An upload that takes longer would be cut; its server gives up before."""


def remove_unregistered_stores(dataset: Dataset) -> None:
    """Removes the token stores that were made to count it and that nothing was trained on: the rows of a
    deleted data set are not to stay there."""
    for folder in (settings.HOME / "stores").glob(f"data-{dataset.pk.hex[:16]}-*"):
        if not Store.objects.filter(name=folder.name).exists():
            shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned_uploads() -> None:
    """Removes files of uploads whose process was killed before their row was written."""
    folder = settings.HOME / "datasets"
    if not folder.is_dir():
        return
    known = {key.hex for key in Dataset.objects.values_list("pk", flat=True)}
    for path in folder.iterdir():
        if path.stem not in known and path.stat().st_mtime < time.time() - LEFT_S:
            path.unlink(missing_ok=True)
