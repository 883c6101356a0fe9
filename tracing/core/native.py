"""What compiled code is made of: numbers at addresses, a few machine instructions, and how it is kept.

Words are eight bytes as a big-endian number, so that comparing numbers compares bytes.
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core.caching import FunctionCache
from numba.extending import intrinsic

from tracing.core.stores.words import WORD_BYTES

Int = int | np.int64
Word = np.uint64

ALL_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
ZERO, ONE, EIGHT = np.uint64(0), np.uint64(1), np.uint64(8)

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

COMPILED = ("native.py", "stores/*.py", "matching/*.py")
SOURCES = sha256(
    b"".join(path.read_bytes() for files in COMPILED for path in sorted(Path(__file__).parent.glob(files)))
).hexdigest()


class _Cache(FunctionCache):
    """Compiled code on disk, for these sources only: numba itself looks at a function's own file alone, and
    would go on with what an older version of another file gave it."""

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return (*cast("Any", super())._index_key(signature, codegen), SOURCES)


def compiled(function: Kernel) -> Kernel:
    """Compile on first call, or load what an earlier process compiled."""
    return _jitted(function, forceinline=False)


def inlined(function: Kernel) -> Kernel:
    """`compiled`, and made part of whatever calls it: a call would hand the whole `Table` over."""
    return _jitted(function, forceinline=True)


def _jitted(function: Kernel, *, forceinline: bool) -> Kernel:
    dispatcher: Any = njit(nogil=True, error_model="numpy", forceinline=forceinline)(function)
    dispatcher._cache = cast("Any", _Cache)(function)
    return cast("Kernel", dispatcher)


def _access(number: Any, swapped: bool = False) -> tuple[Any, Any]:
    """Functions that load and store a number at an address, aligned or not; `swapped` loads it big-endian.

    Addresses instead of arrays, because each array that one compiled function hands to another costs two
    atomic operations on its reference count.
    """
    bits = number.bitwidth

    @intrinsic
    def load(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            place = builder.inttoptr(values[0], ir.IntType(bits).as_pointer())
            loaded = builder.load(place, align=1)
            return builder.bswap(loaded) if swapped else loaded

        return number(types.int64), generate

    @intrinsic
    def store(typing: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            place = builder.inttoptr(values[0], ir.IntType(bits).as_pointer())
            builder.store(values[1], place, align=1)
            return context.get_dummy_value()

        return types.void(types.int64, number), generate

    return load, store


load_byte, store_byte = _access(types.uint8)
load_int, _ = _access(types.uint32)
load_word, _ = _access(types.uint64)
load_long, store_long = _access(types.int64)
load_big_endian_word, _ = _access(types.uint64, swapped=True)


@intrinsic
def _prefetch(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place, number, number, number])
        function = builder.module.globals.get("llvm.prefetch.p0")
        function = function or ir.Function(builder.module, kind, "llvm.prefetch.p0")
        read, often, data = number(0), number(3), number(1)
        builder.call(function, [builder.inttoptr(values[0], place), read, often, data])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def _leading_zeros(typing: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ctlz(values[0], ir.IntType(1)(0))

    return types.int64(types.uint64), generate


leading_zeros: Any = _leading_zeros
prefetch: Any = _prefetch  # has the cache line of an address loaded, without waiting for it


@inlined
def word_at(data: Int, size: Int, position: Int) -> Word:
    """The eight bytes from `position` (not negative) on as one number, zeros for those after the end."""
    if position + WORD_BYTES <= size:
        return Word(load_big_endian_word(data + position))
    return _last_word(data, size, position)


@inlined
def _last_word(data: Int, size: Int, position: Int) -> Word:
    if size >= WORD_BYTES and position < size:
        beyond = np.uint64(8 * (position + WORD_BYTES - size))
        return Word(load_big_endian_word(data + size - WORD_BYTES) << beyond)
    word = ZERO
    for byte in range(position, position + WORD_BYTES):
        word <<= EIGHT
        if byte < size:
            word |= np.uint64(load_byte(data + byte))
    return word


@inlined
def load_pointer(place: Int, width: Int) -> Int:
    """The little-endian number of `width` bytes at an address."""
    if width == 4:
        return np.int64(load_int(place))
    pointer = np.int64(0)
    for byte in range(width):
        pointer |= np.int64(load_byte(place + byte)) << (8 * byte)
    return pointer


@inlined
def equal_bytes(one: Word, other: Word) -> Int:
    """How many leading bytes of two words are equal."""
    return np.int64(leading_zeros(one ^ other)) >> 3
