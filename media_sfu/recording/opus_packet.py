"""What an Opus packet says of itself without being decoded (RFC 6716 section 3), and packets that say nothing."""

from __future__ import annotations

from typing import Final

RATE: Final = 48_000
QUANTUM: Final = 120
"""Samples of the shortest frame, 2.5 ms: every duration is a multiple of it."""
LONGEST: Final = 5_760
"""Samples of the longest packet, 120 ms."""
LONGEST_FRAME_BYTES: Final = 1_275

_SILK: Final = (480, 960, 1_920, 2_880)
_HYBRID: Final = (480, 960)
_CELT: Final = (120, 240, 480, 960)
_FRAME_SAMPLES: Final = _SILK * 3 + _HYBRID * 2 + _CELT * 4
_CELT_FROM: Final = 16
_CELT_OF: Final = (16,) * 4 + (20,) * 8 + (24,) * 2 + (28,) * 2
"""The first CELT configuration with the bandwidth of a SILK or hybrid one; medium band becomes wide band, which CELT
has (RFC 7845 section 4.1)."""


class OpusPacketError(ValueError):
    """Not a packet a decoder takes."""


def samples(packet: bytes) -> int:
    """How long it plays, in samples at 48 kHz. Raises `OpusPacketError` for what RFC 6716 section 3.4 forbids.

    The lengths of the frames are checked, too: what a decoder throws away would shift all that is said after it.
    """
    if not packet:
        raise OpusPacketError("an empty packet")
    frame = _FRAME_SAMPLES[packet[0] >> 3]
    rest = len(packet) - 1
    match packet[0] & 3:
        case 0:
            count = 1
            _fits(rest)
        case 1:
            count = 2
            if rest % 2:
                raise OpusPacketError("two frames of unlike length")
            _fits(rest // 2)
        case 2:
            count = 2
            size, used = _length(packet, 1)
            _fits(size)
            _fits(rest - used - size)
        case _:
            count = _several(packet, frame)
    return count * frame


def stereo(packet: bytes) -> bool:
    """Whether it was coded in two channels."""
    return bool(packet[0] & 4)


def silence(toc: int, length: int) -> list[tuple[bytes, int]]:
    """Packets of zero-length frames for `length` samples (rounded down to 2.5 ms), each with its samples.

    RFC 7845 section 4.1: a decoder conceals them, so they become silence, and they take the time they say; a mere jump
    of the granule position takes none. Mode, bandwidth and frame size stay those of `toc`, the first byte of the packet
    before, as long as they fit; up to 120 ms go into a packet of two bytes.
    """
    made: list[tuple[bytes, int]] = []
    config, channels = toc >> 3, toc & 4
    left = length - length % QUANTUM
    while left:
        frame = _FRAME_SAMPLES[config]
        if frame > left:
            config = _shorter(config, left)
            continue
        count = min(left // frame, LONGEST // frame)
        first = config << 3 | channels
        made.append((bytes([first]) if count == 1 else bytes([first | 3, count]), count * frame))
        left -= count * frame
    return made


def _shorter(config: int, left: int) -> int:
    """The configuration with the longest frame within `left`, in the same mode if that has one."""
    if config < _CELT_FROM:
        shortest = config & ~3 if config < 12 else config & ~1
        if left < _SILK[0]:
            config = _CELT_OF[config]
        else:
            return max(
                (c for c in range(shortest, config) if _FRAME_SAMPLES[c] <= left), key=_FRAME_SAMPLES.__getitem__
            )
    lowest = config & ~3
    return max((c for c in range(lowest, lowest + 4) if _FRAME_SAMPLES[c] <= left), key=_FRAME_SAMPLES.__getitem__)


def _several(packet: bytes, frame: int) -> int:
    """Frames of a packet of code 3, each of which must fit."""
    if len(packet) < 2:
        raise OpusPacketError("its count of frames is missing")
    told = packet[1]
    count = told & 0x3F
    if not count or count * frame > LONGEST:
        raise OpusPacketError(f"{count} frames of {frame} samples")
    at, padding = 2, 0
    if told & 0x40:
        more = 255
        while more == 255:
            if at >= len(packet):
                raise OpusPacketError("its padding has no end")
            more = packet[at]
            padding += 254 if more == 255 else more
            at += 1
    left = len(packet) - at - padding
    if told & 0x80:
        for _ in range(count - 1):
            size, used = _length(packet, at)
            _fits(size)
            at += used
            left -= used + size
        _fits(left)
    else:
        if left < 0 or left % count:
            raise OpusPacketError("frames of unlike length")
        _fits(left // count)
    return count


def _length(packet: bytes, at: int) -> tuple[int, int]:
    """A frame's length and the bytes that say it (RFC 6716 section 3.2.1)."""
    if at >= len(packet) or (packet[at] >= 252 and at + 1 >= len(packet)):
        raise OpusPacketError("a frame's length is missing")
    if packet[at] < 252:
        return packet[at], 1
    return packet[at + 1] * 4 + packet[at], 2


def _fits(size: int) -> None:
    if not 0 <= size <= LONGEST_FRAME_BYTES:
        raise OpusPacketError(f"a frame of {size} bytes")
