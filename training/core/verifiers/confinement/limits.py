"""How much a confined process may use."""

import resource
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of one run."""

    wall_s: float = 10.0
    cpu_s: int = 5
    memory_bytes: int = 512 * MIB
    """Of address space, threads' stacks and all."""
    file_bytes: int = 8 * MIB
    """Of everything in the working directory together, and of each file."""
    output_bytes: int = 1 * MIB
    """Of what it prints, on both outputs together."""
    open_files: int = 32


def apply_limits(limits: Limits, *, cpu: bool = True) -> None:
    """Bound this process, for good. Without `cpu` for one that serves many questions."""
    bounds = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
    }
    if cpu:
        bounds[resource.RLIMIT_CPU] = limits.cpu_s
    for kind, bound in bounds.items():
        resource.setrlimit(kind, (bound, bound))
