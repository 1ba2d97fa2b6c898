"""RTCP: literal bytes, aiortc's parser as an independent peer, and bytes from strangers."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from aiortc import rtp
from hypothesis import given, settings
from hypothesis import strategies as st

from media_sfu import rtcp
from media_sfu.rtcp import (
    Bye,
    DelaySince,
    Nack,
    ReceiverReport,
    ReferenceTime,
    ReportBlock,
    RtcpError,
    Schedule,
    SenderReport,
    compound,
    parse,
)

laws = settings(derandomize=True, deadline=None, max_examples=300)

words = st.integers(0, 0xFFFFFFFF)
blocks = st.builds(
    ReportBlock, words, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), words, words, words, words
)
many = st.lists(blocks, max_size=31).map(tuple)
sender_reports = st.builds(SenderReport, words, st.integers(0, (1 << 64) - 1), words, words, words, many)
receiver_reports = st.builds(ReceiverReport, words, many)
nacks = st.builds(Nack, words, words, st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=40, unique=True).map(tuple))
byes = st.builds(Bye, st.lists(words, max_size=31).map(tuple))


def encode(report: rtcp.Report) -> bytes:
    match report:
        case SenderReport():
            return rtcp.sender_report(report)
        case ReceiverReport():
            return rtcp.receiver_report(report)
        case Nack():
            return rtcp.nack(report)
        case Bye():
            return rtcp.bye(report.ssrcs)
        case ReferenceTime():
            return (
                bytes.fromhex("80cf0004") + report.ssrc.to_bytes(4, "big") + b"\4\0\0\2" + report.ntp.to_bytes(8, "big")
            )


reference_times = st.builds(ReferenceTime, words, st.integers(0, (1 << 64) - 1))
reports = st.one_of(sender_reports, receiver_reports, nacks, byes, reference_times)


def same(found: rtcp.Report, sent: rtcp.Report) -> bool:
    """A NACK may name its packets in another order."""
    if isinstance(found, Nack) and isinstance(sent, Nack):
        return (found.sender, found.media) == (sent.sender, sent.media) and set(found.sequences) == set(sent.sequences)
    return found == sent


# Literal bytes


def test_a_sender_report_byte_by_byte() -> None:
    report = SenderReport(
        0x01020304,
        0xE8000000_80000000,
        0x05060708,
        9,
        10,
        (ReportBlock(0x0A0B0C0D, 0x40, -2, 0x0001FFFF, 17, 0xAABBCCDD, 0x00010000),),
    )
    data = bytes.fromhex(
        "81c8000c 01020304 e800000080000000 05060708 00000009 0000000a"
        "0a0b0c0d 40fffffe 0001ffff 00000011 aabbccdd 00010000"
    )
    assert rtcp.sender_report(report) == data
    assert parse(data) == [report]


def test_a_nack_byte_by_byte() -> None:
    """One word holds a number and any of the sixteen behind it, also over the wrap."""
    request = Nack(1, 2, (65_534, 65_535, 0, 14, 15, 400))
    data = bytes.fromhex("81cd0005 00000001 00000002 fffe8003 000f0000 01900000")
    assert rtcp.nack(request) == data
    assert parse(data) == [request]


def test_the_description_ends_with_its_zero_bytes() -> None:
    assert rtcp.description(1, "ab") == bytes.fromhex("81ca0003 00000001 01026162 00000000")
    assert rtcp.description(1, "abc") == bytes.fromhex("81ca0003 00000001 01036162 63000000")
    assert rtcp.description(1, "a") == bytes.fromhex("81ca0002 00000001 01016100")
    with pytest.raises(ValueError, match="255 bytes"):
        rtcp.description(1, "a" * 256)


def test_a_receivers_time_is_answered_with_the_delay_since() -> None:
    asked = bytes.fromhex("80cf0004 00000007 04000002 e800000180000000")
    [request] = parse(asked)
    assert request == ReferenceTime(7, 0xE800000180000000)
    assert isinstance(request, ReferenceTime)
    answer = rtcp.answer(request, 0.5)
    assert answer == DelaySince(7, 0x00018000, 0x8000)
    assert rtcp.delays_since(9, [answer]) == bytes.fromhex("80cf0005 00000009 05000003 00000007 00018000 00008000")


def test_other_blocks_of_an_extended_report_are_stepped_over() -> None:
    data = bytes.fromhex("80cf0007 00000007 06000001 11111111 04000002 0000000100000002 07000000")
    assert parse(data) == [ReferenceTime(7, 0x0000000100000002)]


def test_padding_is_left_out_and_only_the_last_packet_may_have_any() -> None:
    padded = bytes.fromhex("a0c90003 00000001 0000000000000008")
    assert parse(padded) == [ReceiverReport(1)]
    assert parse(rtcp.bye([5]) + padded) == [Bye((5,)), ReceiverReport(1)]
    with pytest.raises(RtcpError, match="padding"):
        parse(padded + rtcp.bye([5]))


def test_what_is_of_no_interest_is_left_out() -> None:
    picture_loss = bytes.fromhex("81ce0002 00000001 00000002")
    transport = bytes.fromhex("8fcd0003 00000001 00000002 12345678")
    application = bytes.fromhex("80cc0002 00000001 6e616d65")
    data = compound(rtcp.description(1, "x"), picture_loss, transport, application, rtcp.bye([1]))
    assert parse(data) == [Bye((1,))]


@pytest.mark.parametrize(
    "data",
    [
        "",
        "81c9",
        "80c90001",
        "80c9000100000001ff",
        "40c9000100000001",
        "81c9000100000001",
        "80c80001 00000001",
        "80c90000",
        "81cd0002 00000001 00000002",
        "82cb0001 00000001",
        "80cf0000",
        "80cf0002 00000001 04000002",
        "80cf0003 00000001 04000001 00000000",
        "a0c90000",
        "a0c90001 00000000",
        "a0c90001 00000003",
        "a0c90001 00000008",
    ],
)
def test_malformed_packets_are_refused(data: str) -> None:
    with pytest.raises(RtcpError):
        parse(bytes.fromhex(data))


def test_too_large_ones_are_refused_and_a_flood_of_sequence_numbers_is_cut() -> None:
    with pytest.raises(RtcpError, match="too large"):
        parse(rtcp.bye(()) * 513)
    request = rtcp.nack(Nack(1, 2, tuple(range(2_000))))
    found = parse(compound(request, request))
    assert [report.sequences for report in found if isinstance(report, Nack)] == [tuple(range(128)), ()]


def test_more_than_a_packet_can_count_is_refused() -> None:
    with pytest.raises(ValueError, match="31"):
        rtcp.bye(range(32))
    with pytest.raises(ValueError, match="at least one"):
        rtcp.nack(Nack(1, 2, ()))


# An independent peer


@laws
@given(sender_reports)
def test_aiortc_reads_our_sender_reports(report: SenderReport) -> None:
    data = rtcp.sender_report(report)
    [theirs] = rtp.RtcpPacket.parse(data)
    assert isinstance(theirs, rtp.RtcpSrPacket)
    assert theirs.ssrc == report.ssrc
    info = theirs.sender_info
    assert (info.ntp_timestamp, info.rtp_timestamp) == (report.ntp, report.timestamp)
    assert (info.packet_count, info.octet_count) == (report.packets, report.octets)
    assert [read(block) for block in theirs.reports] == list(report.blocks)
    assert bytes(theirs) == data


def read(theirs: rtp.RtcpReceiverInfo) -> ReportBlock:
    return ReportBlock(
        theirs.ssrc,
        theirs.fraction_lost,
        theirs.packets_lost,
        theirs.highest_sequence,
        theirs.jitter,
        theirs.lsr,
        theirs.dlsr,
    )


@laws
@given(receiver_reports)
def test_aiortc_reads_our_receiver_reports(report: ReceiverReport) -> None:
    data = compound(rtcp.receiver_report(report), rtcp.description(report.ssrc, "dojo"), rtcp.bye([report.ssrc]))
    theirs, description, goodbye = rtp.RtcpPacket.parse(data)
    assert isinstance(theirs, rtp.RtcpRrPacket)
    assert isinstance(description, rtp.RtcpSdesPacket)
    assert isinstance(goodbye, rtp.RtcpByePacket)
    assert [read(block) for block in theirs.reports] == list(report.blocks)
    assert description.chunks == [rtp.RtcpSourceInfo(ssrc=report.ssrc, items=[(1, b"dojo")])]
    assert goodbye.sources == [report.ssrc]


@laws
@given(words, words, st.lists(st.integers(0, 0xFF00), min_size=1, max_size=60, unique=True).map(sorted))
def test_aiortc_and_we_read_each_others_nacks(sender: int, media: int, sequences: list[int]) -> None:
    [theirs] = rtp.RtcpPacket.parse(rtcp.nack(Nack(sender, media, tuple(sequences))))
    assert isinstance(theirs, rtp.RtcpRtpfbPacket)
    assert (theirs.fmt, theirs.ssrc, theirs.media_ssrc, theirs.lost) == (1, sender, media, sequences)
    ours = parse(bytes(rtp.RtcpRtpfbPacket(fmt=1, ssrc=sender, media_ssrc=media, lost=sequences)))
    assert ours == [Nack(sender, media, tuple(sequences))]


# From strangers


@laws
@given(st.lists(reports, max_size=3))
def test_what_we_build_we_read(sent: list[rtcp.Report]) -> None:
    data = compound(*map(encode, sent))
    if not data or len(data) > rtcp.MOST_BYTES:
        with pytest.raises(RtcpError):
            parse(data)
        return
    found = parse(data)
    assert len(found) == len(sent)
    assert all(map(same, found, sent))


@laws
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = parse(data)
    except RtcpError:
        return
    assert len(found) <= len(data)


@laws
@given(
    st.lists(reports, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255)), max_size=6),
    st.integers(0, 40),
)
def test_mutated_packets_are_read_or_refused(sent: list[rtcp.Report], changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(compound(*map(encode, sent)))
    for at, value in changes:
        data[at % len(data)] = value
    try:
        found = parse(bytes(data[: len(data) - cut]))
    except RtcpError:
        return
    assert sum(len(report.sequences) for report in found if isinstance(report, Nack)) <= rtcp.MOST_NACKED


# Time


def test_the_round_trip_is_what_is_left_of_the_time_since_the_report() -> None:
    sent, now = rtcp.ntp(1_700_000_000.0), rtcp.ntp(1_700_000_000.58)
    block = ReportBlock(1, 0, 0, 0, 0, rtcp.compact(sent), round(0.5 * 65536))
    assert rtcp.round_trip(block, now) == pytest.approx(0.08, abs=1e-4)


def test_a_round_trip_over_the_wrap_of_the_compact_time() -> None:
    sent = 0x0000_FFFF_FFFF_0000
    block = ReportBlock(1, 0, 0, 0, 0, rtcp.compact(sent), 0x100)
    assert rtcp.round_trip(block, sent + (0x300 << 16)) == 0x200 / 65536


@pytest.mark.parametrize(("late", "expected"), [(-0.001, 0.0), (-0.1, None), (59.0, 59.0), (61.0, None)])
def test_a_round_trip_that_cannot_be_is_none(late: float, expected: float | None) -> None:
    sent = rtcp.ntp(1_700_000_000.0)
    block = ReportBlock(1, 0, 0, 0, 0, rtcp.compact(sent), 65_536)
    found = rtcp.round_trip(block, rtcp.ntp(1_700_000_001.0 + late))
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-3))


def test_without_a_report_of_ours_there_is_no_round_trip() -> None:
    assert rtcp.round_trip(ReportBlock(1, 0, 0, 0, 0, 0, 0), rtcp.ntp(1.0)) is None


def test_ntp_counts_from_1900() -> None:
    assert rtcp.ntp(0.5) == (2_208_988_800 << 32) | 0x80000000


def test_reports_are_spread_over_their_interval() -> None:
    dice = random.Random(4)
    schedules = [Schedule(1.0, 0.0, dice.random) for _ in range(100)]
    times: list[list[float]] = [[] for _ in schedules]
    for tick in range(2_000):
        now = tick / 200
        for schedule, at in zip(schedules, times, strict=True):
            if schedule.due(now):
                at.append(now)
    assert all(0.25 <= at[0] <= 0.755 for at in times)
    gaps = [later - before for at in times for before, later in pairwise(at)]
    assert 0.49 < min(gaps) < 0.55
    assert 1.45 < max(gaps) < 1.51
    # A hundred reports in a second are two in 20 ms. In the tenth second no 20 ms hold many more.
    late = [round(t * 50) for at in times for t in at if t > 9]
    assert max(late.count(place) for place in set(late)) <= 8
