"""What synthetic speakers say: packets shaped like Opus that carry when they were sent, and their RED (RFC 2198)."""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass
from typing import Final

from loadtests.voice.session_description import OPUS

FRAME_SAMPLES: Final = 960
"""20 ms of a 48 kHz clock."""
FRAME_SECONDS: Final = 0.02
SPEECH_BYTES: Final = 80
"""A 20 ms frame at 32 kbit/s, what browsers send of one voice."""
DTX_BYTES: Final = 3
"""A frame of silence: at most 8 bytes, whoever looks at sizes takes it for that."""

_TOC: Final = 0xF8
"""Opus: CELT, fullband, 20 ms, mono, one frame (RFC 6716 3.1)."""
_STAMP: Final = struct.Struct("!BHIQ")
_TAIL: Final = struct.Struct("!I")
_FILLING: Final = bytes(range(SPEECH_BYTES - _STAMP.size - _TAIL.size))
_FIRST: Final = 0x80
"""A RED block that is not the last one."""


class SpeechSpoilt(ValueError):
    """A payload that is not what a synthetic speaker sent."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Frame `number` of `speaker`, sent at `at` (nanoseconds since 1970, of the machine's clock)."""

    speaker: int
    number: int
    at: int


def speech(spoken: Spoken) -> bytes:
    """The payload of a loud frame, with a checksum over it."""
    body = _STAMP.pack(_TOC, spoken.speaker, spoken.number, spoken.at) + _FILLING
    return body + _TAIL.pack(binascii.crc32(body))


def silence() -> bytes:
    return bytes([_TOC]) + bytes(DTX_BYTES - 1)


def heard(payload: bytes) -> Spoken | None:
    """What `speech` made; None for silence. Raises `SpeechSpoilt`."""
    if len(payload) <= 8:
        return None
    if len(payload) != SPEECH_BYTES or _TAIL.unpack_from(payload, SPEECH_BYTES - 4)[0] != binascii.crc32(payload[:-4]):
        raise SpeechSpoilt(f"{len(payload)} bytes that no synthetic speaker sent")
    _, speaker, number, at = _STAMP.unpack_from(payload)
    return Spoken(speaker, number, at)


def redundant(previous: bytes, offset: int, primary: bytes) -> bytes:
    """A RED payload with one redundant block, `offset` timestamp units old. Blocks are below 1,024 bytes, offsets below
    16,384."""
    head = (_FIRST | OPUS) << 24 | offset << 10 | len(previous)
    return head.to_bytes(4, "big") + bytes([OPUS]) + previous + primary


def primary(payload: bytes) -> bytes:
    """The last block of a RED payload. Raises `SpeechSpoilt`."""
    at = 0
    before = 0
    while at < len(payload):
        if not payload[at] & _FIRST:
            return payload[at + 1 + before :]
        before += int.from_bytes(payload[at + 2 : at + 4], "big") & 0x3FF
        at += 4
    raise SpeechSpoilt("a RED payload without a primary block")
