"""Which corpora a model that was made elsewhere can be traced to."""

from django.db.models import QuerySet

from tracing.models import Store
from training.core.checkpoints import IMPORTED
from training.models import Checkpoint

UPLOADED = r"^data-[0-9a-f]{16}-"
"""Names of the stores that were made of uploads: the data of somebody's fine-tunes, and no corpora."""
STORES_SHOWN = 500


def corpora() -> QuerySet[Store]:
    """Every store that a model may have learnt from elsewhere, by name."""
    return Store.objects.exclude(name__regex=UPLOADED).order_by("name")


def corpora_for(checkpoint: Checkpoint) -> list[Store]:
    """Those of its own tokenizer that an imported checkpoint does not have yet; none for another one."""
    if checkpoint.stage != IMPORTED:
        return []
    fitting = corpora().filter(tokenizer=checkpoint.tokenizer)
    return list(fitting.exclude(checkpoints=checkpoint)[:STORES_SHOWN])
