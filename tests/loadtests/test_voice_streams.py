"""What a listener tells from headers: what is missing, what came again, and clocks that go back."""

from __future__ import annotations

from aiortc.rtp import RTCP_RTPFB_NACK, RtcpPacket, RtcpRrPacket, RtcpRtpfbPacket, RtcpSdesPacket, RtcpSrPacket

from loadtests.voice import rtcp
from loadtests.voice.streams import Stream


def test_what_is_skipped_over_is_missing_until_it_comes() -> None:
    stream = Stream(1, 65_534, 0)

    assert stream.unexpected(1) == [65_534, 65_535, 0]
    assert (stream.lost, stream.expected) == (3, 2)
    assert stream.unexpected(65_535) == []
    assert (stream.recovered, stream.repeated) == (1, 0)
    assert stream.unexpected(65_535) is None
    assert (stream.recovered, stream.repeated) == (1, 1)
    assert stream.missing == {65_534, 0}


def test_what_was_thrown_away_here_is_not_lost_by_the_server() -> None:
    stream = Stream(1, 10, 0)
    stream.skip(10)

    assert stream.unexpected(12) == [10, 11]
    assert (stream.lost, stream.thrown) == (1, 1)


def test_a_clock_that_goes_back_is_counted() -> None:
    stream = Stream(1, 10, 4_294_967_000)

    for timestamp in (4_294_967_000, 664, 1_624, 1_624, 664):
        stream.moved(timestamp)

    assert stream.time_back == 2


def test_a_jump_beyond_memory_forgets_what_was_missing() -> None:
    stream = Stream(1, 0, 0)

    assert len(stream.unexpected(5_000) or []) == 256
    assert len(stream.missing) <= 256
    assert stream.expected == 5_001


def test_reports_are_what_others_read() -> None:
    stream = Stream(99, 8, 0)
    receiver, names = RtcpPacket.parse(rtcp.receiver_report(5, [stream]))
    assert isinstance(receiver, RtcpRrPacket)
    assert isinstance(names, RtcpSdesPacket)
    assert (receiver.ssrc, receiver.reports[0].ssrc, receiver.reports[0].highest_sequence) == (5, 99, 7)

    sender, _ = RtcpPacket.parse(rtcp.sender_report(5, 1_000.5, 48_000, 3, 240))
    assert isinstance(sender, RtcpSrPacket)
    info = sender.sender_info
    assert (info.rtp_timestamp, info.packet_count, info.octet_count) == (48_000, 3, 240)
    assert info.ntp_timestamp == (2_208_989_800 << 32) + (1 << 31)


def test_nacks_name_every_number() -> None:
    (read,) = RtcpPacket.parse(rtcp.nack(5, 99, [65_535, 0, 3, 15, 16, 300]))

    assert isinstance(read, RtcpRtpfbPacket)
    assert (read.fmt, read.ssrc, read.media_ssrc) == (RTCP_RTPFB_NACK, 5, 99)
    assert [number & 0xFFFF for number in read.lost] == [65_535, 0, 3, 15, 16, 300]
