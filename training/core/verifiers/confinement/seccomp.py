"""A seccomp filter: no sockets, no new processes, no signals to others, nothing that leaves the confinement.

Works unprivileged on any Linux for x86-64 and ARM64. Refused calls fail with EPERM, so that code which tries
them sees an ordinary exception.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence

from training.core.verifiers.confinement.kernel import call

PR_SET_SECCOMP, FILTER = 22, 2
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24  # offsets in struct seccomp_data
KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
CLONE_THREAD = 0x00010000
X32 = 0x40000000  # another numbering of the same calls on x86-64
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
REFUSED = {  # name: number on x86-64, on ARM64 (none where the call does not exist)
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "io_uring_setup": (425, 425),
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "setsid": (112, 157), "setpgid": (109, 154), "unshare": (272, 97), "setns": (308, 268),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "setrlimit": (160, 164), "prlimit64": (302, 261), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "memfd_create": (319, 279), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190),
    "mq_open": (240, 180), "kexec_load": (246, 104), "sched_setaffinity": (203, 122),
}  # fmt: skip
CLONE, CLONE3, KILL_CALL, TGKILL = (56, 220), (435, 435), (62, 129), (234, 131)
OWNERS = {(72, 25): (8, 10, 15), (16, 29): (0x8901, 0x8902)}
"""fcntl and ioctl commands by which the kernel would signal another process: F_SETOWN, F_SETSIG, F_SETOWN_EX;
FIOSETOWN, SIOCSPGRP."""

Instruction = tuple[int, int, int, int]
"""Code, steps to skip if true, steps to skip if false, operand: struct sock_filter."""


def refuse_calls() -> None:
    """Install the filter, for good. Raises OSError where this machine has no seccomp or is another kind."""
    machine = platform.machine()
    if machine not in AUDIT:
        raise OSError(errno.ENOSYS, f"no filter is written for {machine}")
    written = [struct.pack("HBBI", *step) for step in program(machine, os.getpid())]
    steps = ctypes.create_string_buffer(b"".join(written))
    head = struct.pack("HxxxxxxP", len(written), ctypes.addressof(steps))
    call("prctl", PR_SET_SECCOMP, FILTER, ctypes.c_char_p(head), 0, 0)


def program(machine: str, process: int) -> list[Instruction]:
    """The filter for a process with this id."""
    column = list(AUDIT).index(machine)
    steps: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, AUDIT[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
    ]
    if machine == "x86_64":
        steps += [(JUMP_AT_LEAST, 0, 1, X32), refusal(errno.EPERM)]
    for numbers in REFUSED.values():
        number = numbers[column]
        if number is not None:
            steps += [(JUMP_EQUAL, 0, 1, number), refusal(errno.EPERM)]
    # glibc falls back on clone, whose flags can be looked at.
    steps += [(JUMP_EQUAL, 0, 1, CLONE3[column]), refusal(errno.ENOSYS)]
    steps += only_with(CLONE[column], JUMP_BITS, CLONE_THREAD)
    for number in (KILL_CALL[column], TGKILL[column]):
        steps += only_with(number, JUMP_EQUAL, process)
    for numbers, commands in OWNERS.items():
        steps += never_with(numbers[column], commands)
    return [*steps, (RETURN, 0, 0, ALLOW)]


def refusal(number: int) -> Instruction:
    return (RETURN, 0, 0, ERRNO | number)


def only_with(number: int, test: int, operand: int) -> list[Instruction]:
    """The call is allowed only where its first argument passes the test."""
    return [
        (JUMP_EQUAL, 0, 4, number),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (test, 0, 1, operand),
        (RETURN, 0, 0, ALLOW),
        refusal(errno.EPERM),
    ]


def never_with(number: int, commands: Sequence[int]) -> list[Instruction]:
    """The call is allowed unless its second argument is one of these."""
    refusals = [step for value in commands for step in ((JUMP_EQUAL, 0, 1, value), refusal(errno.EPERM))]
    allowed = (RETURN, 0, 0, ALLOW)
    return [(JUMP_EQUAL, 0, len(refusals) + 2, number), (LOAD, 0, 0, SECOND_ARGUMENT), *refusals, allowed]
