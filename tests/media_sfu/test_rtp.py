"""RTP headers in all their forms."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media_sfu.rtp import HEADER, RtpError, RtpPacket, is_rtcp, parse

ONE_BYTE = 0xBEDE
TWO_BYTE = 0x1000


def header(first: int = 0x80, second: int = 111, sequence: int = 65_535, timestamp: int = 2**32 - 1) -> bytes:
    return HEADER.pack(first, second, sequence, timestamp, 0xDEADBEEF)


def extended(profile: int, elements: bytes, payload: bytes = b"sound") -> bytes:
    assert len(elements) % 4 == 0
    return header(0x90) + struct.pack(">HH", profile, len(elements) // 4) + elements + payload


def test_reads_a_plain_header() -> None:
    assert parse(header() + b"sound") == RtpPacket(False, 111, 65_535, 2**32 - 1, 0xDEADBEEF, None, None, b"sound")
    assert parse(header(second=0x80 | 63)).marker
    assert parse(header(second=0x80 | 63)).payload_type == 63
    assert parse(header()).payload == b""


def test_skips_csrcs() -> None:
    assert parse(header(0x8F) + bytes(60) + b"sound").payload == b"sound"


def test_takes_padding_away() -> None:
    assert parse(header(0xA0) + b"sound" + b"\0\0\3").payload == b"sound"
    assert parse(header(0xA0) + b"\1").payload == b""
    assert parse(header(0xB1) + bytes(4) + bytes.fromhex("bede000110ff0000") + b"sound\1", 1).level == 127


@pytest.mark.parametrize(
    ("profile", "elements", "level_id", "expected"),
    [
        pytest.param(ONE_BYTE, "109e0000", 1, (30, True), id="alone"),
        pytest.param(ONE_BYTE, "e01e0000", 14, (30, False), id="highest id of the one-byte form"),
        pytest.param(ONE_BYTE, "31aabb10 9e000000", 1, (30, True), id="after another"),
        pytest.param(ONE_BYTE, "0000109e", 1, (30, True), id="after padding"),
        pytest.param(ONE_BYTE, "119e0000", 1, (None, None), id="of two bytes"),
        pytest.param(ONE_BYTE, "f0009e10 109e0000", 1, (None, None), id="after the end mark"),
        pytest.param(ONE_BYTE, "01aa109e 00000000", 1, (None, None), id="after padding with a length"),
        pytest.param(ONE_BYTE, "20aa3fbb", 3, (None, None), id="longer than the extension"),
        pytest.param(ONE_BYTE, "00000010", 1, (None, None), id="without its byte"),
        pytest.param(ONE_BYTE, "109e0000", 0, (None, None), id="not negotiated"),
        pytest.param(ONE_BYTE, "109e0000", 2, (None, None), id="another id"),
        pytest.param(ONE_BYTE, "", 1, (None, None), id="no elements"),
        pytest.param(TWO_BYTE, "01017f00", 1, (127, False), id="two-byte form"),
        pytest.param(TWO_BYTE | 7, "c8018000", 200, (0, True), id="two-byte form with application bits"),
        pytest.param(TWO_BYTE, "00020001 019e0000", 1, (30, True), id="two-byte form after an empty one and padding"),
        pytest.param(TWO_BYTE, "01000000", 1, (None, None), id="two-byte form without a value"),
        pytest.param(TWO_BYTE, "02020000 00000001", 1, (None, None), id="two-byte form without a length"),
        pytest.param(TWO_BYTE, "01ff9e00", 1, (None, None), id="two-byte form longer than the extension"),
        pytest.param(0x1234, "01019e00", 1, (None, None), id="an unknown profile"),
    ],
)
def test_reads_the_audio_level(
    profile: int, elements: str, level_id: int, expected: tuple[int | None, bool | None]
) -> None:
    packet = parse(extended(profile, bytes.fromhex(elements)), level_id)
    assert (packet.level, packet.voice) == expected
    assert packet.payload == b"sound"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(header()[:-1], id="half a header"),
        pytest.param(header(0x40) + bytes(20), id="version 1"),
        pytest.param(header(0xC0) + bytes(20), id="version 3"),
        pytest.param(header(0x82) + bytes(7), id="half its CSRCs"),
        pytest.param(header(0x90) + bytes(3), id="half an extension header"),
        pytest.param(header(0x90) + bytes.fromhex("bede0002") + bytes(7), id="half an extension"),
        pytest.param(header(0xA0), id="padding of an earlier byte"),
        pytest.param(header(0xA0) + b"sound\0", id="padding of no length"),
        pytest.param(header(0xA0) + b"\3", id="padding longer than the payload"),
        pytest.param(header(0xA1) + bytes(3) + b"\1", id="padding within the CSRCs"),
    ],
)
def test_refuses_what_does_not_fit(data: bytes) -> None:
    with pytest.raises(RtpError):
        parse(data, 1)


@pytest.mark.parametrize(
    ("data", "expected"),
    [("80c8", True), ("81df", True), ("80bf", False), ("80e0", False), ("806f", False), ("80", False)],
)
def test_tells_rtcp_from_rtp(data: str, expected: bool) -> None:
    assert is_rtcp(bytes.fromhex(data)) is expected


@given(st.binary(max_size=80), st.integers(0, 255))
@example(header(0xBF) + bytes(80), 1)
def test_any_bytes_are_a_packet_or_refused(data: bytes, level_id: int) -> None:
    try:
        packet = parse(data, level_id)
    except RtpError:
        return
    assert 12 + len(packet.payload) <= len(data)
    assert packet.payload in data


@given(
    st.sampled_from([ONE_BYTE, TWO_BYTE]), st.binary(max_size=64), st.integers(1, 255), st.integers(0, 15), st.data()
)
def test_any_extension_leaves_the_payload_whole(
    profile: int, elements: bytes, level_id: int, csrcs: int, data: st.DataObject
) -> None:
    elements += bytes(-len(elements) % 4)
    extension = struct.pack(">HH", profile, len(elements) // 4) + elements
    whole = header(0x90 | csrcs) + bytes(4 * csrcs) + extension + b"sound"
    packet = parse(whole, level_id)
    assert packet.payload == b"sound"
    assert packet.level is None or 0 <= packet.level <= 127
    cut = data.draw(st.integers(0, len(whole) - len(b"sound") - 1))
    with pytest.raises(RtpError):
        parse(whole[:cut], level_id)
