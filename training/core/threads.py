"""How many threads to compute with, and how they behave where processors are shared."""

import os


def use_threads(threads: int) -> int:
    """Compute with at most `threads`, no more than there are processors to run on; returns how many. To be
    called before torch is imported, whose OpenMP reads its settings then."""
    number = max(1, min(threads, len(os.sched_getaffinity(0))))
    os.environ["OMP_NUM_THREADS"] = str(number)
    os.environ["RAYON_NUM_THREADS"] = str(number)

    import torch

    torch.set_num_threads(number)
    return number
