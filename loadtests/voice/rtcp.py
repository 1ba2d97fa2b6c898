"""The RTCP a listener and a speaker send (RFC 3550, RFC 4585), before it is protected."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from loadtests.voice.streams import Stream

_SENDER: Final = 200
_RECEIVER: Final = 201
_DESCRIPTION: Final = 202
_TRANSPORT_FEEDBACK: Final = 205
_GENERIC_NACK: Final = 1
_NTP_EPOCH: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""


def receiver_report(own: int, streams: Iterable[Stream]) -> bytes:
    """RR and SDES."""
    blocks = [_block(stream) for stream in streams][:31]
    return _head(len(blocks), _RECEIVER, struct.pack("!I", own) + b"".join(blocks)) + _named(own)


def sender_report(own: int, now: float, timestamp: int, packets: int, octets: int) -> bytes:
    """SR and SDES. `now`: seconds since 1970."""
    seconds = int(now)
    body = struct.pack(
        "!IIIIII", own, (seconds + _NTP_EPOCH) & 0xFFFFFFFF, int((now - seconds) * 2**32) & 0xFFFFFFFF,
        timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF,
    )  # fmt: skip
    return _head(0, _SENDER, body) + _named(own)


def nack(own: int, media: int, numbers: Sequence[int]) -> bytes:
    """A reduced-size packet (RFC 5506) that asks for `numbers`."""
    entries = b""
    left = list(numbers)
    while left:
        base = left.pop(0)
        mask = 0
        while left and 1 <= (left[0] - base) & 0xFFFF <= 16:
            mask |= 1 << (((left.pop(0) - base) & 0xFFFF) - 1)
        entries += struct.pack("!HH", base, mask)
    return _head(_GENERIC_NACK, _TRANSPORT_FEEDBACK, struct.pack("!II", own, media) + entries)


def _block(stream: Stream) -> bytes:
    lost = min(len(stream.missing), 255)
    return struct.pack("!IIIIII", stream.ssrc, lost, (stream.expected - 1) & 0xFFFF, 0, 0, 0)


def _named(own: int) -> bytes:
    return _head(1, _DESCRIPTION, struct.pack("!IBB4sxx", own, 1, 4, b"load"))


def _head(count: int, kind: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body
