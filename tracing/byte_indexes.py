"""Byte indexes of small stores: made in the background, searched beside their stores once they are there."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from tracing.cache import Cache
from tracing.core.building.byte_twin import write_byte_twin
from tracing.core.bytes.twin import FOLDER, ByteTwin, name_end, should_have_twin, twin_name
from tracing.core.errors import InputError, StoreError, StoreExists
from tracing.core.nodes.node_store import NodeStore, Reader
from tracing.core.stores.store import TokenStore
from tracing.documents import tokenizer_of
from tracing.models import Store
from tracing.nodes.elsewhere import Held, byte_index_elsewhere, held_elsewhere
from tracing.opening import open_store

logger = logging.getLogger(__name__)
_told: set[str] = set()  # what this process has complained of: it tries again every minute
_twins: Cache[Path, TokenStore] = Cache(size=256)


def byte_twins_of(stores: Sequence[Reader]) -> list[ByteTwin]:
    """The byte indexes that are ready for these stores, here or on nodes. One that cannot be opened is left
    out."""
    held = held_elsewhere() if any(isinstance(store, NodeStore) for store in stores) else None
    opened = (open_byte_twin(store, held) for store in stores)
    return [twin for twin in opened if twin is not None]


def open_byte_twin(store: Reader, held: Held | None) -> ByteTwin | None:
    path = byte_index_path(store)
    try:
        if path.is_dir():
            return ByteTwin(store, _twins.get(path, lambda: TokenStore.open(path)))
        twin = byte_index_elsewhere(path.name, held) if isinstance(store, NodeStore) and held else None
        return ByteTwin(store, twin) if twin else None
    except StoreError as error:
        logger.error("The byte index %s is not used, remove it: %s", path.name, error)
        return None


def build_byte_index(store: Store) -> bool:
    """Write the byte index of a store; False if it is there already.

    Raises InputError for a store that is too large for one, or lies on another machine, and StoreError.
    """
    if not store.is_here:
        raise InputError(f"{store.name} lies on another machine: its byte index is built before it is moved.")
    reader = open_store(store)
    if not should_have_twin(reader.manifest):
        raise InputError(f"{store.name} is too large for a byte index: it is searched by its tokens.")
    path = byte_index_path(reader)
    if path.exists():
        return False
    try:
        write_byte_twin(path, reader, tokenizer_of(store))
    except StoreExists:
        return False  # another worker was quicker
    return True


def build_byte_indexes() -> int:
    """Write those that registered stores should have and have not, and remove those of no store any more.

    Gives how many were written. A store that cannot be read is passed over.
    """
    stores, written = Store.objects.all(), 0
    for store in stores:
        try:
            if store.is_here and should_have_twin(open_store(store).manifest):
                written += build_byte_index(store)
        except StoreError as error:
            if store.digest not in _told:
                logger.error("%s has no byte index: %s", store.name, error)
            _told.add(store.digest)
    remove_stale_indexes(stores)
    return written


def remove_stale_indexes(stores: Sequence[Store]) -> None:
    ends = tuple(name_end(store.digest) for store in stores)
    for path in byte_index_folder().glob("[!.]*"):
        if not path.name.endswith(ends):
            shutil.rmtree(path, ignore_errors=True)


def byte_index_path(store: Reader) -> Path:
    return byte_index_folder() / twin_name(store.manifest)


def byte_index_folder() -> Path:
    return settings.HOME / FOLDER
