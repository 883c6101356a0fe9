"""Packs for the lineages of all models: see tracing/core/stores/pack.py."""

import logging

from tracing.core.errors import StoreError
from tracing.core.stores.pack import PACK_STORES
from tracing.packs import make_packs, remove_stale_packs
from tracing.services import open_store
from training.lineage import lineage_stores
from training.models import Checkpoint

logger = logging.getLogger(__name__)


def pack_lineages() -> int:
    """Pack the small stores behind every finished checkpoint, and remove what is no longer of use.

    Gives how many packs were written. A lineage with a store that cannot be read is passed over.
    """
    written = 0
    for checkpoint in Checkpoint.objects.filter(final=True):
        stores = lineage_stores(checkpoint)
        if len(stores) < PACK_STORES:
            continue
        try:
            written += make_packs([open_store(store) for store in stores if store.is_here])
        except StoreError as error:
            logger.error("The stores of %s are not packed: %s", checkpoint, error)
    remove_stale_packs()
    return written
