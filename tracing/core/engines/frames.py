"""Messages between a process and its child: four bytes of length, then JSON."""

import json
import struct
from typing import Any, BinaryIO, Final

LENGTH: Final = struct.Struct(">I")
FRAME_BYTES_MAX: Final = 1 << 28


def encode(message: Any) -> bytes:
    """The frame of a message."""
    content = json.dumps(message, separators=(",", ":")).encode()
    return LENGTH.pack(len(content)) + content


def decode(data: bytes | bytearray) -> Any:
    """The message of which `data` is the frame, or None while some of it is still to come.

    ValueError for what is no frame.
    """
    if len(data) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack_from(data)
    if size > FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {size} bytes")
    if len(data) < LENGTH.size + size:
        return None
    return json.loads(bytes(data[LENGTH.size : LENGTH.size + size]))


def read(file: BinaryIO) -> Any:
    """The next message, waiting for it; None at the end of the file."""
    header = file.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    return json.loads(file.read(LENGTH.unpack(header)[0]))


def write(file: BinaryIO, message: Any) -> None:
    """Send a message."""
    file.write(encode(message))
    file.flush()
