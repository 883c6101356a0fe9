"""The processes that train one model together. A job of one process is a world of its own."""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PATIENCE = datetime.timedelta(hours=2)
"""What the others wait for the first at most, while it prepares, measures or publishes."""


@dataclass(frozen=True)
class World:
    """Process number `rank` of `size`, over all nodes. What only one of them may do, the first does: writing
    events, stores and checkpoints."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """The sum of each value over all processes, in fp64; every process asks with the same names."""
        if self.size == 1:
            return dict(values)
        import torch
        import torch.distributed as dist

        sums = torch.tensor(list(values.values()), dtype=torch.float64, device=_device())
        dist.all_reduce(sums)
        return dict(zip(values, sums.tolist(), strict=True))

    def told(self, text: str) -> str:
        """What the first process has said, for all of them."""
        if self.size == 1:
            return text
        import torch.distributed as dist

        said = [text]
        dist.broadcast_object_list(said, src=0, device=_device())
        return said[0]

    def first(self, do: Callable[[], Any]) -> None:
        """Let the first process do it, and the others wait until it is done."""
        if self.is_first:
            do()
        self.wait()

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            import torch.distributed as dist

            dist.barrier()


def join() -> World:
    """This process among those that torchrun has started, each with a GPU of its own where there are any."""
    import torch
    import torch.distributed as dist

    if torch.cuda.is_available():
        torch.cuda.set_device(dist.get_node_local_rank())
        dist.init_process_group("nccl", timeout=PATIENCE)
    else:
        dist.init_process_group("gloo", timeout=PATIENCE)
    return World(dist.get_rank(), dist.get_world_size())


def leave() -> None:
    import torch.distributed as dist

    dist.destroy_process_group()


def _device() -> Any:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
