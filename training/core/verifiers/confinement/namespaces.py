"""Namespaces of its own for a process: an empty network, and a small file system in memory to write to.

Unprivileged where the system allows user namespaces; containers often do not.
"""

import os
from pathlib import Path

from training.core.verifiers.confinement.kernel import call

NEW_USER, NEW_NETWORK, NEW_MOUNTS, NEW_IPC = 0x10000000, 0x40000000, 0x00020000, 0x08000000
NO_SUID, NO_DEVICES, PRIVATE, RECURSIVE = 2, 4, 1 << 18, 1 << 14
NOBODY = 65534
INODES = 128


def enter_namespaces() -> None:
    """Leave the network and the machine's mounts behind. Raises OSError where that is not permitted."""
    user, group = os.getuid(), os.getgid()
    call("unshare", NEW_USER | NEW_NETWORK | NEW_MOUNTS | NEW_IPC)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1")


def mount_scratch(directory: Path, size_bytes: int) -> None:
    """Cover `directory` with an empty file system of at most `size_bytes`, which ends with the process."""
    call("mount", None, b"/", None, PRIVATE | RECURSIVE, None)
    options = f"size={size_bytes},nr_inodes={INODES},mode=0700".encode()
    call("mount", b"scratch", os.fsencode(directory), b"tmpfs", NO_SUID | NO_DEVICES, options)
    os.chdir(directory)
