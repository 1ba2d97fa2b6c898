"""Packets over a stream: two bytes of length, then the packet (RFC 4571), as ICE-TCP uses it (RFC 6544)."""

from __future__ import annotations

from typing import Final

# Bytes. Nothing a client sends is longer than a datagram of Ethernet; the rest is leeway for tunnels.
FRAME_MOST: Final = 2_000


class FramingError(ValueError):
    """The stream can't be read on from here: close the connection."""


class Deframer:
    """Cuts a stream into its packets. Holds back at most one unfinished packet of `most` bytes."""

    def __init__(self, most: int = FRAME_MOST) -> None:
        self._most = most
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The packets `data` finishes, in order; empty ones, allowed as filling, are left out. Raises FramingError."""
        stream = self._held + data if self._held else data
        packets: list[bytes] = []
        at = 0
        size = len(stream)
        while size - at >= 2:
            length = stream[at] << 8 | stream[at + 1]
            if length > self._most:
                # Kept as it is: feeding on raises again, what follows is never taken for a packet.
                self._held = stream[at : at + 2]
                raise FramingError(f"a packet of {length} bytes over TCP, at most {self._most} are read")
            end = at + 2 + length
            if end > size:
                break
            if length:
                packets.append(stream[at + 2 : end])
            at = end
        self._held = stream[at:]
        return packets


def frame(data: bytes) -> bytes:
    """`data` with its length in front. Raises FramingError beyond 65,535 bytes."""
    if len(data) > 0xFFFF:
        raise FramingError("RFC 4571 frames have at most 65,535 bytes")
    return len(data).to_bytes(2, "big") + data
