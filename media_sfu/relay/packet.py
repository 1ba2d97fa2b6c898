"""What one voice process tells another of one frame of sound: who says it, where, how loud, and the sound."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

MOST_SOUND: Final = 1_200
"""Bytes. A peer's packets have no more (`VoiceLimits.packet_bytes`), so all of it fits a frame of Ethernet."""
LARGEST: Final = (1 << 63) - 1
"""Frame numbers and timestamps: 64 bits, of which the highest is never reached."""

_HEAD: Final = struct.Struct(">16sIIBBQQ")
"""Room, participant, stream, level, flags, frame number, timestamp. The sound follows, to the end."""
HEAD_BYTES: Final = _HEAD.size
_LEVEL: Final = 0x01
_VOICE: Final = 0x02
_PREFERRED: Final = 0x04
_MARKER: Final = 0x08
_RED: Final = 0x10
_FLAGS: Final = _LEVEL | _VOICE | _PREFERRED | _MARKER | _RED
_SILENCE: Final = 127


class RelayPacketError(ValueError):
    """These bytes are nothing that a voice process of this version sends. The text quotes none of them."""


class RelayPacket(msgspec.Struct, frozen=True, gc=False):
    """One frame on its way.

    `room` is its id, 16 bytes; `participant` the number that listeners are told; `stream` another number for each
    connection of theirs. `level` (0 loudest to 127, RFC 6464) and `voice` are None if the speaker does not tell.
    `number` and `timestamp` are those of the `Frame`. `sound` is Opus, or if `red` is set, RED (RFC 2198) whose inner
    payload types are `frame.OPUS_PT`.
    """

    room: bytes
    participant: int
    stream: int
    level: int | None
    voice: bool | None
    preferred: bool
    marker: bool
    red: bool
    number: int
    timestamp: int
    sound: bytes


def build(packet: RelayPacket) -> bytes:
    """`packet` as bytes. Raises `RelayPacketError` for what `parse` would not take."""
    if not 0 < len(packet.sound) <= MOST_SOUND or len(packet.room) != 16:
        raise RelayPacketError("a packet carries 1 to 1,200 bytes of sound for a room of 16 bytes")
    flags = (
        (0 if packet.level is None else _LEVEL)
        | (_VOICE if packet.voice else 0)
        | (_PREFERRED if packet.preferred else 0)
        | (_MARKER if packet.marker else 0)
        | (_RED if packet.red else 0)
    )
    level = packet.level or 0
    try:
        head = _HEAD.pack(packet.room, packet.participant, packet.stream, level, flags, packet.number, packet.timestamp)
    except struct.error:
        raise RelayPacketError("a number is out of its range") from None
    return head + packet.sound


def parse(data: bytes) -> RelayPacket:
    """Read what `build` made. Raises `RelayPacketError`, and nothing else."""
    size = len(data) - HEAD_BYTES
    if not 0 < size <= MOST_SOUND:
        raise RelayPacketError("no sound, or too much")
    room, participant, stream, level, flags, number, timestamp = _HEAD.unpack_from(data)
    if flags & ~_FLAGS or level > _SILENCE:
        raise RelayPacketError("flags or a level that nobody sends")
    if not participant or number > LARGEST or timestamp > LARGEST:
        raise RelayPacketError("a number is out of its range")
    known = flags & _LEVEL
    if not known and (level or flags & _VOICE):
        raise RelayPacketError("a level that is said not to be there")
    return RelayPacket(
        room,
        participant,
        stream,
        level if known else None,
        bool(flags & _VOICE) if known else None,
        bool(flags & _PREFERRED),
        bool(flags & _MARKER),
        bool(flags & _RED),
        number,
        timestamp,
        data[HEAD_BYTES:],
    )
