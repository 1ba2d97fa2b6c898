"""What voice processes tell each other, as bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_sfu.relay.packet import HEAD_BYTES, LARGEST, MOST_SOUND, RelayPacket, RelayPacketError, build, parse

ROOM = bytes(range(16))
PACKET = RelayPacket(
    room=ROOM, participant=7, stream=9, level=23, voice=True, preferred=False, marker=True, red=False,
    number=1 << 40, timestamp=1 << 41, sound=b"opus",
)  # fmt: skip


@st.composite
def packets(draw: st.DrawFn) -> RelayPacket:
    level = draw(st.none() | st.integers(0, 127))
    return RelayPacket(
        room=draw(st.binary(min_size=16, max_size=16)),
        participant=draw(st.integers(1, 2**32 - 1)),
        stream=draw(st.integers(0, 2**32 - 1)),
        level=level,
        voice=None if level is None else draw(st.booleans()),
        preferred=draw(st.booleans()),
        marker=draw(st.booleans()),
        red=draw(st.booleans()),
        number=draw(st.integers(0, LARGEST)),
        timestamp=draw(st.integers(0, LARGEST)),
        sound=draw(st.binary(min_size=1, max_size=MOST_SOUND)),
    )


@given(packets())
def test_what_is_built_is_read(packet: RelayPacket) -> None:
    assert parse(build(packet)) == packet


@given(st.binary(max_size=HEAD_BYTES + 64))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        packet = parse(data)
    except RelayPacketError:
        return
    assert build(packet) == data


@given(packets(), st.data())
def test_a_changed_byte_is_read_or_refused(packet: RelayPacket, data: st.DataObject) -> None:
    changed = bytearray(build(packet))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(0, len(changed)))])
    try:
        read = parse(cut)
    except RelayPacketError:
        return
    assert build(read) == cut


@pytest.mark.parametrize(
    "data",
    [
        b"",
        build(PACKET)[:HEAD_BYTES],
        build(PACKET) + bytes(MOST_SOUND),
        build(PACKET)[:16] + bytes(4) + build(PACKET)[20:],
        build(PACKET)[:24] + b"\x80" + build(PACKET)[25:],
        build(PACKET)[:25] + b"\xff" + build(PACKET)[26:],
        build(PACKET)[:26] + b"\x80" + build(PACKET)[27:],
    ],
    ids=["empty", "no sound", "too much sound", "nobody", "level", "flags", "number"],
)
def test_what_nobody_sends_is_refused(data: bytes) -> None:
    with pytest.raises(RelayPacketError):
        parse(data)


@pytest.mark.parametrize(
    "packet",
    [
        msgspec.structs.replace(PACKET, sound=b""),
        msgspec.structs.replace(PACKET, sound=bytes(MOST_SOUND + 1)),
        msgspec.structs.replace(PACKET, number=-1),
        msgspec.structs.replace(PACKET, participant=1 << 32),
        msgspec.structs.replace(PACKET, room=b"short"),
    ],
)
def test_what_would_not_be_read_is_not_built(packet: RelayPacket) -> None:
    with pytest.raises(RelayPacketError):
        build(packet)
