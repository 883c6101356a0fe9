"""Shutting this very process in before it touches what a model wrote.

Four layers, each of which holds alone for what it covers: resource limits, namespaces, Landlock, seccomp.
"""

import sys
from pathlib import Path

from training.core.verifiers.confinement.kernel import give_up_privileges
from training.core.verifiers.confinement.landlock import restrict_files
from training.core.verifiers.confinement.limits import Limits, apply_limits
from training.core.verifiers.confinement.namespaces import enter_namespaces, mount_scratch
from training.core.verifiers.confinement.seccomp import refuse_calls

LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo")
FILES, NETWORK, PROCESSES, SCRATCH = "files", "network", "processes", "scratch"
REQUIRED = frozenset([FILES, NETWORK, PROCESSES])
"""Without these, nothing that a model wrote is run."""


def confine(limits: Limits, *, scratch: Path | None = None, packages: bool = False) -> dict[str, str]:
    """Confine this process to reading Python's library (with `packages` its environment's too) and to writing
    below `scratch`. Returns the protections that this machine cannot give, with the reason of each: files,
    network, processes, scratch (then there is nowhere to write)."""
    missing: dict[str, str] = {}
    writable = set_apart(scratch, limits, missing)
    apply_limits(limits, cpu=not packages)
    give_up_privileges()
    readable = [*LIBRARIES, sys.base_prefix, *([sys.prefix, *package_folders()] if packages else [])]
    try:
        restrict_files(readable, writable)
    except OSError as error:
        missing[FILES] = f"Landlock: {error.strerror}"
    try:
        refuse_calls()
        missing.pop(NETWORK, None)  # without sockets, whose network it is makes no difference
    except OSError as error:
        missing[PROCESSES] = f"seccomp: {error.strerror}"
    return missing


def set_apart(scratch: Path | None, limits: Limits, missing: dict[str, str]) -> list[str]:
    """The namespaces, where they are permitted; what may then be written to."""
    try:
        enter_namespaces()
    except OSError as error:
        missing[NETWORK] = missing[SCRATCH] = f"namespaces: {error.strerror}"
        return []
    if scratch is None:
        return []
    try:
        mount_scratch(scratch, limits.file_bytes)
    except OSError as error:
        missing[SCRATCH] = f"mounting: {error.strerror}"
        return []
    return [str(scratch)]


def package_folders() -> list[str]:
    """Where this process imports from."""
    return [folder for folder in sys.path if folder and Path(folder).is_dir()]
