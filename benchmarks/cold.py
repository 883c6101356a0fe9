"""A trace whose store is not in the page cache: what it reads, beside a floor of random reads.

`python -m benchmarks.cold [--tokens N] [--texts N] [--directory DIR]`. Before each text the store is opened
anew and its files are dropped from the page cache. The floor is the time of as many reads of 64 KiB at random
places of the same files, one after the other, dropped as well: every block that a trace touches is read
whole, since its checksum is verified before a result leaves.
"""

import argparse
import ctypes
import mmap
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks import corpora, measuring
from benchmarks.measuring import Row
from benchmarks.trace import TEXT_TOKENS
from tracing.core.matching.warm_up import warm_up
from tracing.core.stores.layout import BLOCK_BYTES
from tracing.core.stores.mapped_file import SOUND
from tracing.core.stores.store import TokenStore
from tracing.core.text.tokenizer import TextTokenizer
from tracing.core.trace import Tracer, TraceRequest


def main() -> None:
    options, load = parse(), measuring.load()
    measuring.use_one_core()
    warm_up()
    with ExitStack() as stack:
        kept = Path(options.directory or stack.enter_context(tempfile.TemporaryDirectory(dir=".")))
        tokenizer = corpora.open_or_train(kept)
        rows = []
        for tokens in options.tokens:
            with corpora.open_or_build(kept, tokens) as store:
                path = store.path
            rows += [measure(path, tokenizer, kind, options.texts) for kind in corpora.TEXTS]
    notes = [
        "Medians. `blocks` of 64 KiB were touched and verified; `pages` of 4 KiB had to come from the disk.",
        "`times the floor` compares with as many random reads of 64 KiB from the same files.",
    ]
    measuring.keep(options, "cold", f"Tracing {TEXT_TOKENS} tokens with a cold page cache", notes, rows, load)


def parse() -> argparse.Namespace:
    parser = measuring.parser(__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[100_000_000])
    parser.add_argument("--texts", type=int, default=10, help="texts to trace of each kind")
    return parser.parse_args()


def measure(path: Path, tokenizer: TextTokenizer, kind: str, count: int) -> Row:
    rng = np.random.default_rng(3)
    with TokenStore.open(path, check_at_open_bytes=0) as store:
        requests = [
            TraceRequest(token_ids=corpora.TEXTS[kind](store, TEXT_TOKENS, rng)) for _ in range(count)
        ]
    rows = [cold_trace(path, tokenizer, request, rng) for request in requests]
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    return {"store": path.name, "texts": kind, **medians, "n": count}


def cold_trace(path: Path, tokenizer: TextTokenizer, request: TraceRequest, rng: np.random.Generator) -> Row:
    """One trace, and its floor."""
    with TokenStore.open(path, check_at_open_bytes=0) as store:
        tracer = Tracer([store], tokenizer)
        tracer.corpus().log_probabilities(np.array([0]))  # the counts of tokens are read once a process
        drop(path)
        before, began = verified(store), time.perf_counter()
        tracer.trace(request)
        took_ms = 1e3 * (time.perf_counter() - began)
        blocks, pages = verified(store) - before, resident_pages(path)
    floor_ms = random_reads_ms(path, blocks, rng)
    return {
        "ms": took_ms,
        "floor, ms": floor_ms,
        "times the floor": took_ms / floor_ms,
        "blocks": blocks,
        "pages": pages,
    }


def drop(path: Path) -> None:
    """Take the store's files out of the page cache; what is mapped by someone else stays."""
    for file in path.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def verified(store: TokenStore) -> int:
    """How many blocks have been read and found sound since the store was opened."""
    return sum(int((file.state == SOUND).sum()) for shard in store.shards for file in shard.files.values())


def resident_pages(path: Path) -> int:
    """Pages of the store's files that are in the page cache."""
    return sum(resident(file) for file in path.iterdir() if file.stat().st_size)


def resident(file: Path) -> int:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as mapping:
        whole = np.frombuffer(mapping, dtype=np.uint8)
        pages = np.zeros(-(-whole.size // mmap.PAGESIZE), dtype=np.uint8)
        address, size = ctypes.c_void_p(whole.ctypes.data), ctypes.c_size_t(whole.size)
        if ctypes.CDLL(None).mincore(address, size, ctypes.c_void_p(pages.ctypes.data)):
            raise OSError(f"The pages of {file} cannot be counted.")
        del whole
    return int((pages & 1).sum())


def random_reads_ms(path: Path, blocks: int, rng: np.random.Generator) -> float:
    """Milliseconds to read so many different blocks of the tokens and the table, none of them cached."""
    drop(path)
    places = [
        (name, block)
        for name in ("tokenized.0", "table.0")
        for block in range(-(-(path / name).stat().st_size // BLOCK_BYTES))
    ]
    descriptors = {name: os.open(path / name, os.O_RDONLY) for name in ("tokenized.0", "table.0")}
    for descriptor in descriptors.values():
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
    chosen = [places[n] for n in rng.permutation(len(places))[:blocks]]
    began = time.perf_counter()
    for name, block in chosen:
        os.pread(descriptors[name], BLOCK_BYTES, block * BLOCK_BYTES)
    took_ms = 1e3 * (time.perf_counter() - began)
    for descriptor in descriptors.values():
        os.close(descriptor)
    return took_ms


if __name__ == "__main__":
    main()
