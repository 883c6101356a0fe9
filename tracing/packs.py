"""Packs of small stores: made in the background, searched in place of their stores once they are there."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from tracing.cache import Cache
from tracing.core.building.packing import write_pack
from tracing.core.errors import StoreError, StoreExists
from tracing.core.stores.manifest import read_manifest
from tracing.core.stores.pack import Pack, pack_name, packed_digests, plan_packs
from tracing.core.stores.store import TokenStore
from tracing.models import Store

logger = logging.getLogger(__name__)
_packs: Cache[Path, Pack] = Cache(size=64)


def packs_of(stores: Sequence[TokenStore]) -> list[Pack]:
    """The packs that are ready for these stores. One that cannot be opened is left out: its stores serve."""
    opened = (open_pack(parts) for parts in planned_parts(stores))
    return [pack for pack in opened if pack is not None]


def open_pack(parts: list[TokenStore]) -> Pack | None:
    path = pack_path(parts)
    if not path.is_dir():
        return None
    try:
        return _packs.get(path, lambda: Pack(TokenStore.open(path), parts))
    except StoreError as error:
        logger.error("The pack %s is not used, remove it: %s", path, error)
        return None


def make_packs(stores: Sequence[TokenStore]) -> int:
    """Write the packs that these stores should have and have not; gives how many were written."""
    written = 0
    for parts in planned_parts(stores):
        path = pack_path(parts)
        if not path.exists():
            try:
                write_pack(path, parts)
            except StoreExists:
                continue  # another worker was quicker
            written += 1
    return written


def remove_stale_packs() -> int:
    """Delete the packs of stores that are no longer registered; gives how many there were."""
    known = set(Store.objects.values_list("digest", flat=True))
    stale = [path for path in packs_on_disk() if not known.issuperset(digests_in(path))]
    for path in stale:
        shutil.rmtree(path, ignore_errors=True)
    return len(stale)


def packs_on_disk() -> list[Path]:
    return [path for path in (settings.HOME / "packs").glob("[!.]*") if path.is_dir()]


def digests_in(path: Path) -> list[str]:
    """Of the stores in a pack; one that cannot be read is of a store that nobody knows."""
    try:
        return packed_digests(read_manifest(path)) or [""]
    except StoreError:
        return [""]


def planned_parts(stores: Sequence[TokenStore]) -> list[list[TokenStore]]:
    return [[stores[place] for place in places] for places in plan_packs([s.manifest for s in stores])]


def pack_path(parts: Sequence[TokenStore]) -> Path:
    return settings.HOME / "packs" / pack_name([part.manifest for part in parts])
