from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_sfu.framing import Deframer, FramingError, frame


def test_a_frame_is_its_length_in_two_bytes_and_the_packet() -> None:
    assert frame(b"abc") == b"\x00\x03abc"
    assert frame(bytes(300))[:2] == b"\x01\x2c"


def test_a_packet_longer_than_its_length_field_says_is_refused() -> None:
    assert len(frame(bytes(0xFFFF))) == 0x10001
    with pytest.raises(FramingError):
        frame(bytes(0x10000))


def test_packets_are_cut_out_of_one_read() -> None:
    assert Deframer().feed(b"\x00\x01a\x00\x02bc\x00") == [b"a", b"bc"]


def test_a_packet_may_come_byte_by_byte() -> None:
    deframer = Deframer()
    got = [packet for byte in b"\x00\x03abc\x00\x01d" for packet in deframer.feed(bytes([byte]))]
    assert got == [b"abc", b"d"]


def test_empty_packets_are_left_out() -> None:
    assert Deframer().feed(b"\x00\x00\x00\x01a\x00\x00") == [b"a"]


def test_a_packet_too_long_ends_the_stream_before_it_is_held() -> None:
    deframer = Deframer(most=10)
    assert deframer.feed(b"\x00\x0a" + bytes(10)) == [bytes(10)]
    with pytest.raises(FramingError, match="11 bytes"):
        deframer.feed(b"\x00\x0b")
    with pytest.raises(FramingError):
        deframer.feed(b"\x00\x01a")


@given(st.lists(st.binary(min_size=1, max_size=2_000), max_size=8), st.lists(st.integers(0, 5_000), max_size=8))
def test_however_a_stream_is_torn_its_packets_come_whole_and_in_order(packets: list[bytes], tears: list[int]) -> None:
    stream = b"".join(map(frame, packets))
    places = [0, *sorted(min(tear, len(stream)) for tear in tears), len(stream)]
    deframer = Deframer()
    got = [packet for start, end in pairwise(places) for packet in deframer.feed(stream[start:end])]
    assert got == packets


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_arbitrary_bytes_give_packets_within_the_bound_or_a_framing_error(reads: list[bytes]) -> None:
    deframer = Deframer(most=100)
    try:
        packets = [packet for read in reads for packet in deframer.feed(read)]
    except FramingError:
        return
    assert all(1 <= len(packet) <= 100 for packet in packets)
    assert sum(len(packet) + 2 for packet in packets) <= sum(map(len, reads))
