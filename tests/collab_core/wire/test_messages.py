"""Protocol messages byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_core.wire.lib0 import MAX_SAFE_INTEGER, WireError
from collab_core.wire.messages import (
    Awareness,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    Update,
    awareness_frame,
    decode_state_vector,
    encode_state_vector,
    parse,
    sync_step1,
    sync_step2,
    update_frame,
)

laws = settings(derandomize=True, deadline=None, max_examples=200)

numbers = st.integers(0, MAX_SAFE_INTEGER)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("00000100", SyncStep1({})),
        ("000006020105ac0203", SyncStep1({1: 5, 300: 3})),
        ("0001020000", SyncStep2(b"\x00\x00")),
        ("00020401020304", Update(b"\x01\x02\x03\x04")),
        ("010100", Awareness(b"\x00")),
        ("03", QueryAwareness()),
    ],
)
def test_frames_are_read(frame: str, message: object) -> None:
    assert parse(bytes.fromhex(frame)) == message


def test_a_step_2_and_an_update_are_not_the_same() -> None:
    assert isinstance(parse(sync_step2(b"\x00\x00")), SyncStep2)
    assert isinstance(parse(update_frame(b"\x00\x00")), Update)


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ("", "truncated"),
        ("00", "truncated"),
        ("0000", "truncated"),
        ("000300", "unknown sync message 3"),
        ("0200", "unknown message 2"),
        ("0400", "unknown message 4"),
        ("7f", "unknown message 127"),
        ("8000", "over-long"),
        ("0300", "trailing"),
        ("000202000000", "trailing"),
        ("01010000", "trailing"),
        ("0002ffffffff07", "more than the frame"),
        ("01ffffffff07", "more than the frame"),
        ("000003ff0101", "count 255 is more than the frame can hold"),
        ("00000101", "count 1 is more than the frame can hold"),
        ("0002818000", "over-long"),
        ("000005ffffffff07", "more than the frame"),
        ("0000040101017f", "trailing"),
        ("0000050201010102", "twice"),
    ],
)
def test_frames_are_refused(frame: str, why: str) -> None:
    with pytest.raises(WireError, match=why):
        parse(bytes.fromhex(frame))


@laws
@given(st.dictionaries(numbers, numbers, max_size=20))
def test_a_state_vector_is_read_back(state: dict[int, int]) -> None:
    raw = encode_state_vector(state)
    assert decode_state_vector(raw) == state
    assert parse(sync_step1(state)) == SyncStep1(state)
    for length in range(len(raw)):
        with pytest.raises(WireError):
            decode_state_vector(raw[:length])


@laws
@given(st.binary(max_size=300))
def test_bodies_are_read_back(body: bytes) -> None:
    assert parse(sync_step2(body)) == SyncStep2(body)
    assert parse(update_frame(body)) == Update(body)
    assert parse(awareness_frame(body)) == Awareness(body)


def test_messages_are_written_as_the_protocol_says() -> None:
    assert sync_step1({1: 5}) == bytes.fromhex("000003010105")
    assert sync_step2(b"\x00\x00") == bytes.fromhex("0001020000")
    assert update_frame(b"\x00\x00") == bytes.fromhex("0002020000")
    assert awareness_frame(b"\x00") == bytes.fromhex("010100")
    assert update_frame(bytes(200))[:4] == bytes.fromhex("0002c801")
