"""The few pieces of lib0 encoding that the load clients need.

On purpose not the server's codec: a client that shared it would share its mistakes too.
"""

from __future__ import annotations


class Truncated(ValueError):
    """A frame ended inside a value, or a number in it is longer than any this protocol has."""


def varuint(value: int) -> bytes:
    """`value` (>= 0) as seven bits per byte, lowest first."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varbytes(value: bytes) -> bytes:
    """`value` with its length in front. A string is the same over its UTF-8 bytes."""
    return varuint(len(value)) + value


def read_varuint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and the position behind it. Raises `Truncated`."""
    value = shift = 0
    try:
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
            shift += 7
            if shift > 63:
                raise Truncated("a number of more than nine bytes")
    except IndexError:
        raise Truncated("the frame ends inside a number") from None


def read_varbytes(data: bytes, at: int) -> tuple[bytes, int]:
    """The length-prefixed bytes at `at` and the position behind them. Raises `Truncated`."""
    length, at = read_varuint(data, at)
    end = at + length
    if end > len(data):
        raise Truncated("the frame ends inside a value")
    return data[at:end], end
