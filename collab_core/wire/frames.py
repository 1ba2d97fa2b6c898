"""WebSocket framing, server side, sans-I/O: RFC 6455 section 5.

Incoming: bytes in, messages out; a frame longer than the limit is refused on its header, before a byte of it
is buffered, and what was buffered for a long message is given back when it is complete. Outgoing: frames from
a server are not masked, so one ready-made frame serves every member.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from websockets.speedups import apply_mask

CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2
CLOSE, PING, PONG = 0x8, 0x9, 0xA
_CONTROL = 0x8
_MAX_CONTROL_BYTES = 125
_MASK_BYTES = 4


class FrameError(Exception):
    """The peer broke the framing. `too_large` tells a message over the limit from bytes that are no frame."""

    def __init__(self, what: str, *, too_large: bool = False) -> None:
        super().__init__(what)
        self.too_large = too_large


class Frame(NamedTuple):
    """A complete message (TEXT, BINARY) or a control frame (CLOSE, PING, PONG)."""

    opcode: int
    payload: bytes


class FrameReader:
    """Frames of one client connection. `limit` is the largest message in bytes; it may change between messages."""

    __slots__ = ("_fragments", "_need", "_opcode", "_rest", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._rest: bytes | bytearray = b""
        self._need = 0  # bytes until the frame at hand is complete; nothing is parsed before
        self._opcode = 0  # of the fragmented message at hand
        # One buffer, not a list: a fragment of two bytes would cost 56 of memory, and the limit counts bytes.
        self._fragments = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes kept for a message that is not complete."""
        return len(self._rest) + len(self._fragments)

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """All messages that `chunk` completes. Raises `FrameError`; the connection must be closed then."""
        if self._rest:
            if not isinstance(self._rest, bytearray):
                self._rest = bytearray(self._rest)
            self._rest += chunk
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest = b""
        else:
            data = chunk
        self._need = 0
        pos = 0
        while pos < len(data):
            parsed = self._parse(data, pos)
            if parsed is None:
                self._rest = data[pos:]
                return
            frame, pos = parsed
            if frame is not None:
                yield frame

    def _parse(self, data: bytes, start: int) -> tuple[Frame | None, int] | None:
        available = len(data) - start
        if available < 2:
            return None
        first, second = data[start], data[start + 1]
        opcode = first & 0x0F
        length = second & 0x7F
        if first & 0x70:
            raise FrameError("reserved bits are set and no extension was negotiated")
        if not second & 0x80:
            raise FrameError("a client frame must be masked")
        pos = start + 2
        if length >= 126:
            width = 2 if length == 126 else 8
            if available < 2 + width:
                return None
            length = int.from_bytes(data[pos : pos + width], "big")
            pos += width
            if length < (126 if width == 2 else 65536):
                raise FrameError("a length that is not in its shortest form")
        self._check(opcode, first & 0x80 != 0, length)
        end = pos + _MASK_BYTES + length
        if end > len(data):
            self._need = end - start
            return None
        payload = apply_mask(data[pos + _MASK_BYTES : end], data[pos : pos + _MASK_BYTES])
        if opcode & _CONTROL or (first & 0x80 and opcode):
            return Frame(opcode, payload), end
        return self._assemble(opcode, first & 0x80 != 0, payload), end

    def _check(self, opcode: int, final: bool, length: int) -> None:
        if opcode & _CONTROL:
            if opcode > PONG or not final or length > _MAX_CONTROL_BYTES:
                raise FrameError("a malformed control frame")
            return
        if opcode > BINARY:
            raise FrameError(f"unknown opcode {opcode}")
        if (opcode == CONTINUATION) != (self._opcode != 0):
            raise FrameError("a fragment out of order")
        if len(self._fragments) + length > self.limit:
            raise FrameError(f"a message of more than {self.limit} bytes", too_large=True)

    def _assemble(self, opcode: int, final: bool, payload: bytes) -> Frame | None:
        if opcode:
            self._opcode = opcode
        elif not payload and not final:
            raise FrameError("an empty fragment")  # they could be sent forever without reaching the limit
        self._fragments += payload
        if not final:
            return None
        frame = Frame(self._opcode, bytes(self._fragments))
        self._opcode = 0
        self._fragments = bytearray()  # not cleared: a cleared one may keep its room
        return frame


def encode(opcode: int, payload: bytes) -> bytes:
    """One unmasked, final frame."""
    length = len(payload)
    if length < 126:
        header = bytes((0x80 | opcode, length))
    elif length < 65536:
        header = struct.pack("!BBH", 0x80 | opcode, 126, length)
    else:
        header = struct.pack("!BBQ", 0x80 | opcode, 127, length)
    return header + payload


def encode_close(code: int, reason: str) -> bytes:
    """A close frame. `reason` must be at most 123 bytes of UTF-8."""
    return encode(CLOSE, struct.pack("!H", code) + reason.encode())
