"""GPT-2's printable stand-ins for bytes, in which byte-level tokenizers write their vocabulary."""

from functools import cache


@cache
def byte_alphabet() -> dict[int, str]:
    """The stand-in of each byte (bytes_to_unicode in openai/gpt-2, encoder.py)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    alphabet = {byte: chr(byte) for byte in printable}
    return alphabet | {byte: chr(0x100 + n) for n, byte in enumerate(others)}
