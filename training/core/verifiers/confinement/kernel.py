"""System calls that Python has no function for."""

import ctypes
import os
import signal

PR_SET_DEATH_SIGNAL, PR_SET_NO_NEW_PRIVS = 1, 38
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: object) -> int:
    """A function of libc that returns a negative number for an error, which is raised as OSError."""
    found: int = getattr(libc, function)(*arguments)
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return found


def syscall(number: int, *arguments: object) -> int:
    return call("syscall", ctypes.c_long(number), *arguments)


def give_up_privileges() -> None:
    """Gain no rights by starting a program, keep no capability, whoever this runs as, and die with the thread
    that started this process."""
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    call("capset", ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
    call("prctl", PR_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
