"""Landlock (Linux 5.13 and later): which files a process may use. Needs no privileges and cannot be undone.

The numbers are those of linux/landlock.h; a kernel is asked only for what its version knows.
"""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress

from training.core.verifiers.confinement.kernel import syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_QUERY, RULE_PATH_BENEATH = 1, 1
EXECUTE, READ_FILE, READ_DIR = 1 << 0, 1 << 2, 1 << 3
READ = EXECUTE | READ_FILE | READ_DIR
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many kinds of access to files a version knows; 16 from version 5 on."""
TCP = 0b11
SIGNALS_AND_ABSTRACT_SOCKETS = 0b11
O_PATH = 0o10000000


class RulesetAttributes(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("directory", ctypes.c_int32)]


def restrict_files(readable: Iterable[str], writable: Iterable[str] = ()) -> None:
    """Let this process read below `readable`, do all below `writable`, and touch no other file. Later kernels
    also keep it from TCP and from signalling processes outside. Raises OSError where the kernel has none.

    The process must have given up gaining privileges."""
    version = syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION_QUERY)
    everything = (1 << FILE_RIGHTS.get(version, 16)) - 1
    asked = RulesetAttributes(everything, TCP, SIGNALS_AND_ABSTRACT_SOCKETS)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = syscall(CREATE_RULESET, ctypes.byref(asked), ctypes.c_size_t(size), 0)
    for paths, access in ((readable, READ), (writable, everything)):
        for path in paths:
            with suppress(FileNotFoundError):
                allow(ruleset, path, access)
    syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def allow(ruleset: int, path: str, access: int) -> None:
    directory = os.open(path, O_PATH | os.O_CLOEXEC)
    rule = PathBeneath(access, directory)
    syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    os.close(directory)
