"""Surviving a mapped file whose bytes are gone: cut by another process, or on a disk that fails.

Reading such a page raises SIGBUS, which ends a process; a check of the size before each read leaves a window,
and a failing disk gives no warning at all. The handler here replaces the whole mapping with zeros and notes
its loss, so that the read goes on and whoever checks afterwards (`lost`) throws the result away. It is
native code without Python objects, so it may run in any thread, GIL or not; systemd's journal does the same
(sigbus.c). A fault anywhere else goes to the handler that was there before.
"""

import ctypes
import mmap
import signal
import sys
import threading
import weakref
from typing import Any, Final

import llvmlite.binding  # type: ignore[import-untyped]
import numba
import numba.core.cgutils
import numba.extending
import numpy as np
from llvmlite import ir

SLOTS: Final = 1 << 16  # mappings guarded at once; rows of a page that is never used cost nothing
ADDRESS_FIELD: Final = 2  # si_addr, in 8-byte words of siginfo_t (Linux, 64 bits)
ZEROS: Final = mmap.MAP_PRIVATE | getattr(mmap, "MAP_ANONYMOUS", 0) | 0x10  # MAP_FIXED
READ_ONLY: Final = int(mmap.PROT_READ)
SA_SIGINFO: Final = 4
SIGBUS: Final = int(signal.SIGBUS)
GUARDS: Final = sys.platform == "linux" and sys.maxsize > 2**32

_numba: Any = numba  # its types are not for mypy
_types = _numba.types
_slots = np.zeros((SLOTS, 3), dtype=np.int64)  # start, end and losses of a mapping; row 0: rows in use
_before = np.zeros(32, dtype=np.int64)  # struct sigaction of the handler that was there before
_free: list[int] = []
_lock = threading.Lock()
_installed = False

llvmlite.binding.add_symbol("headwater_guarded_mappings", _slots.ctypes.data)
llvmlite.binding.add_symbol("headwater_handler_before", _before.ctypes.data)
_map = _types.ExternalFunction(
    "mmap", _types.intp(_types.intp, _types.intp, _types.int32, _types.int32, _types.int32, _types.int64)
)
_set_action = _types.ExternalFunction(
    "sigaction", _types.int32(_types.int32, _types.CPointer(_types.int64), _types.intp)
)


def guard(mapping: mmap.mmap, start: int, size_bytes: int) -> int:
    """Guard the mapping at address `start` for as long as it lives; returns its number for `lost`."""
    with _lock:
        _install()
        slot = _free.pop() if _free else int(_slots[0, 0]) + 1
        if slot >= SLOTS:
            return 0
        _slots[slot] = start, start + -(-size_bytes // mmap.PAGESIZE) * mmap.PAGESIZE, 0
        _slots[0, 0] = max(_slots[0, 0], slot)
    weakref.finalize(mapping, _release, slot).atexit = False  # runs before the mapping is unmapped
    return slot


def lost(slot: int) -> bool:
    """Whether bytes of this mapping could not be read, so that it holds zeros now."""
    return slot > 0 and bool(_slots[slot, 2])


def _release(slot: int) -> None:
    _slots[slot] = 0
    _free.append(slot)


def _install() -> None:
    global _installed
    if not _installed and GUARDS:
        action = _Action(_on_bus_error().address, (ctypes.c_ubyte * 128)(), SA_SIGINFO, None)
        ctypes.CDLL(None).sigaction(SIGBUS, ctypes.byref(action), ctypes.c_void_p(_before.ctypes.data))
        _installed = True


class _Action(ctypes.Structure):
    """struct sigaction of Linux's C libraries."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ubyte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


def _symbol(name: str) -> Any:
    """The address of something outside compiled code, looked up when the code is loaded: it can be cached."""

    @_numba.extending.intrinsic  # type: ignore[untyped-decorator]
    def address(context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _numba.core.cgutils.add_global_variable(builder.module, ir.IntType(64), name)

        return _types.CPointer(_types.int64)(), generate

    return address


_guarded_mappings = _symbol("headwater_guarded_mappings")
_handler_before = _symbol("headwater_handler_before")


def _on_bus_error() -> Any:
    @_numba.cfunc(_types.void(_types.int32, _types.CPointer(_types.int64), _types.voidptr), cache=True)  # type: ignore[untyped-decorator]
    def on_bus_error(number: Any, info: Any, context: Any) -> None:
        address = _numba.carray(info, ADDRESS_FIELD + 1)[ADDRESS_FIELD]
        slots = _numba.carray(_guarded_mappings(), (SLOTS, 3))
        for slot in range(1, slots[0, 0] + 1):
            start, end = slots[slot, 0], slots[slot, 1]
            if start <= address < end:
                slots[slot, 2] += 1
                _map(start, end - start, READ_ONLY, ZEROS, -1, 0)
                return
        _set_action(SIGBUS, _handler_before(), 0)  # the read is tried again, and meets that one

    return on_bus_error
