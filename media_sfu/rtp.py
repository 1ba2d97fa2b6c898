"""RTP packets (RFC 3550) as a speaker sends them, with the one header extension that is taken: how loud it is."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

HEADER: Final = struct.Struct(">BBHII")
"""Version with padding, extension and CSRC count; marker with payload type; sequence; timestamp; SSRC."""
HEADER_BYTES: Final = 12

ONE_BYTE: Final = 0xBEDE
"""Profile of a header extension whose elements have one byte in front (RFC 8285, 4.2)."""
TWO_BYTE: Final = 0x1000
"""Profile with two bytes in front of each element (RFC 8285, 4.3). Its low four bits say nothing."""

_VERSION: Final = 0x80
_VERSION_BITS: Final = 0xC0
_PADDING: Final = 0x20
_EXTENSION: Final = 0x10
_CSRCS: Final = 0x0F
_END_OF_ELEMENTS: Final = 15
_unpack_header: Final = HEADER.unpack_from
_unpack_extension: Final = struct.Struct(">HH").unpack_from


class RtpError(ValueError):
    """These bytes are no RTP packet. The text says what is wrong and quotes none of them."""


class RtpPacket(msgspec.Struct, frozen=True, gc=False):
    """Without padding, CSRCs and other extensions.

    `level` is how loud the sound is (RFC 6464), in dB below the loudest: 0 is loudest, 127 silence; None if not said.
    `voice` is whether the sender takes it for speech; None together with `level`.
    """

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    level: int | None
    voice: bool | None
    payload: bytes


def parse(data: bytes, level_id: int = 0) -> RtpPacket:
    """Take a packet apart. `level_id` is the negotiated id of the audio level's extension, 0 if there is none.

    An unusable audio level counts as not said; raises `RtpError` for all else that does not fit.
    """
    size = len(data)
    if size < HEADER_BYTES:
        raise RtpError("shorter than an RTP header")
    first, second, sequence, timestamp, ssrc = _unpack_header(data)
    level: int | None = None
    voice: bool | None = None
    begin = HEADER_BYTES
    if first != _VERSION:
        if first & _VERSION_BITS != _VERSION:
            raise RtpError("not version 2 of RTP")
        begin += (first & _CSRCS) << 2
        if first & _EXTENSION:
            if size < begin + 4:
                raise RtpError("ends before its header extension")
            profile, words = _unpack_extension(data, begin)
            elements = begin + 4
            begin = elements + (words << 2)
            if size < begin:
                raise RtpError("ends within its header extension")
            if level_id and words:
                # What browsers send that were offered nothing else: a single element of one byte.
                said = data[elements + 1] if profile == ONE_BYTE and data[elements] == level_id << 4 else None
                if said is None:
                    said = _find_level(data[elements:begin], profile, level_id)
                if said is not None:
                    level = said & 0x7F
                    voice = said > 0x7F
        if first & _PADDING:
            padding = data[-1]
            size -= padding
            if not padding or size < begin:
                raise RtpError("its padding does not fit")
            return RtpPacket(second > 0x7F, second & 0x7F, sequence, timestamp, ssrc, level, voice, data[begin:size])
        if size < begin:
            raise RtpError("ends within its CSRCs")
    return RtpPacket(second > 0x7F, second & 0x7F, sequence, timestamp, ssrc, level, voice, data[begin:])


def is_rtcp(data: bytes) -> bool:
    """Whether a packet on the common port is RTCP (RFC 5761, 4): packet types 192 to 223."""
    return len(data) > 1 and 192 <= data[1] <= 223


def _find_level(elements: bytes, profile: int, level_id: int) -> int | None:
    """The byte of the audio level among the elements of an extension, None if it isn't there in a form of RFC 6464."""
    two = profile & 0xFFF0 == TWO_BYTE
    if not two and profile != ONE_BYTE:
        return None
    at, end = 0, len(elements)
    while at < end:
        head = elements[at]
        if not head:
            at += 1  # padding between elements
            continue
        if two:
            if at + 2 > end:
                return None
            name, length, begin = head, elements[at + 1], at + 2
        else:
            name, length, begin = head >> 4, (head & 0x0F) + 1, at + 1
            if name in (0, _END_OF_ELEMENTS):
                return None  # RFC 8285, 4.2: whatever follows is not to be read
        at = begin + length
        if at > end:
            return None
        if name == level_id:
            return elements[begin] if length == 1 else None
    return None
