"""RTCP of one peer, with a clock of the test's own."""

from __future__ import annotations

import itertools
import struct

from hypothesis import given
from hypothesis import strategies as st

from media_sfu import rtcp
from media_sfu.frame import Frame
from media_sfu.reports import REPORT_SECONDS, Reports
from media_sfu.rtcp import Nack, ReceiverReport, ReferenceTime, ReportBlock, SenderReport
from media_sfu.rtp import RtpPacket, parse
from media_sfu.slot import Slot
from media_sfu.source import Source

UNIX = 1_700_000_000.0
OWN = 0xABCDEF


class Peer:
    """Two slots, of which only the first is ever sent to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slots = [Slot(n, opus=111, red=63, first_sequence=1_000) for n in (11, 12)]
        self.source = Source(5)
        self.slots[0].attach(self.source)
        self.reports = Reports(OWN, "name", self.slots, now=self.now, wall=lambda: UNIX + self.now)

    def send(self, frames: int) -> None:
        for number in range(frames):
            frame = Frame(number, number * 960, False, bytes(50))
            self.source.history.add(frame, self.now)
            if number == 0:
                self.slots[0].begin(frame, self.now)
            self.slots[0].sent(50)
            self.now += 0.02

    def build(self) -> list[rtcp.Report]:
        return rtcp.parse(self.reports.build(self.now))

    def hear(self, *reports: bytes) -> list[bytes]:
        return self.reports.receive(b"".join(reports), self.now)


def heard(sequence: int, ssrc: int = 77) -> RtpPacket:
    return parse(struct.pack("!BBHII", 0x80, 111, sequence, sequence * 960, ssrc) + bytes(20))


def test_before_anything_is_sent_or_heard() -> None:
    assert Peer().build() == [ReceiverReport(OWN)]


def test_one_report_for_each_slot_that_is_sent_to() -> None:
    peer = Peer()
    peer.send(10)
    for sequence in (1, 2, 4):
        peer.reports.received(heard(sequence), peer.now)
    (report,) = peer.build()
    assert isinstance(report, SenderReport)
    assert (report.ssrc, report.packets, report.octets) == (11, 10, 500)
    assert report.ntp == rtcp.ntp(UNIX + peer.now)
    assert report.timestamp == peer.slots[0].clock(peer.now)
    (block,) = report.blocks
    assert (block.ssrc, block.lost, block.fraction) == (77, 1, 64)


def test_the_loss_of_whoever_hears_it_is_reported_where_it_is_the_worse_one() -> None:
    for listeners_lost, told in ((0.5, 128), (0.1, 64), (0.0, 64)):
        peer = Peer()
        for sequence in (1, 2, 4):
            peer.reports.received(heard(sequence), peer.now)
        (report,) = rtcp.parse(peer.reports.build(peer.now, listeners_lost))
        assert isinstance(report, ReceiverReport)
        assert [(block.fraction, block.lost) for block in report.blocks] == [(told, 1)]


def test_every_stream_is_told_a_name() -> None:
    peer = Peer()
    peer.send(1)
    assert rtcp.description(11, "name") in peer.reports.build(peer.now)


def test_a_new_stream_is_counted_anew() -> None:
    peer = Peer()
    for sequence in (1, 9):
        peer.reports.received(heard(sequence), peer.now)
    peer.reports.received(heard(400, ssrc=78), peer.now)
    (report,) = peer.build()
    assert isinstance(report, ReceiverReport)
    assert [(block.ssrc, block.lost) for block in report.blocks] == [(78, 0)]


def test_round_trip() -> None:
    peer = Peer()
    peer.send(3)
    (sent,) = peer.build()
    assert isinstance(sent, SenderReport)
    peer.now += 0.5
    block = ReportBlock(11, 26, 3, 1_002, 0, rtcp.compact(sent.ntp), int(0.4 * 65_536))
    other = ReportBlock(12, 51, 3, 1_002, 0, 0, 0)
    peer.hear(rtcp.receiver_report(ReceiverReport(77, (block, other))))
    assert peer.reports.round_trip is not None
    assert abs(peer.reports.round_trip - 0.1) < 0.001
    assert peer.reports.fraction_lost == 51 / 256
    # Of a stream that is not ours it says nothing.
    foreign = ReportBlock(99, 255, 3, 1_002, 0, 0, 0)
    peer.hear(rtcp.receiver_report(ReceiverReport(77, (foreign,))))
    assert peer.reports.fraction_lost == 51 / 256


def test_the_peers_own_reports_are_told_back() -> None:
    peer = Peer()
    peer.reports.received(heard(1), peer.now)
    peer.hear(rtcp.sender_report(SenderReport(77, rtcp.ntp(UNIX), 0, 1, 20)))
    peer.now += 1.5
    (report,) = peer.build()
    assert isinstance(report, ReceiverReport)
    assert report.blocks[0].last_report == rtcp.compact(rtcp.ntp(UNIX))
    assert report.blocks[0].delay == round(1.5 * 65_536)


def test_a_receivers_time_is_answered_once() -> None:
    peer = Peer()
    asked = ReferenceTime(77, rtcp.ntp(UNIX + 3))
    block = struct.pack("!BBHQ", 4, 0, 2, asked.ntp)
    peer.hear(struct.pack("!BBHI", 0x80, rtcp.XR, 1 + len(block) // 4, 77) + block)
    peer.now += 0.25
    answer = rtcp.delays_since(OWN, [rtcp.answer(asked, 0.25)])
    assert peer.reports.build(peer.now).endswith(answer)
    assert answer not in peer.reports.build(peer.now)


def test_a_nack_brings_what_was_sent_and_nothing_else() -> None:
    peer = Peer()
    peer.send(5)
    again = peer.hear(rtcp.nack(Nack(77, 11, (999, 1_001, 1_004, 1_005))))
    assert [int.from_bytes(data[2:4], "big") for data in again] == [1_001, 1_004]
    assert all(data[8:16] == struct.pack("!II", 11, 5) for data in again)
    assert peer.hear(rtcp.nack(Nack(77, 12, (1_001,)))) == []
    assert peer.reports.nacked == 5
    assert peer.hear(rtcp.nack(Nack(77, 13, (1_001,)))) == []
    assert peer.reports.malformed == 1


def test_asking() -> None:
    asked = rtcp.parse(Peer().reports.ask(77, [65_535, 0, 40]))
    assert asked == [ReceiverReport(OWN), Nack(OWN, 77, (65_535, 0, 40))]


def test_reports_are_spread() -> None:
    peer = Peer()
    times = []
    for _ in range(20_000):
        peer.now += 0.01
        if peer.reports.due(peer.now):
            times.append(peer.now)
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert min(waits) >= 0.5 * REPORT_SECONDS - 0.011
    assert max(waits) <= 1.5 * REPORT_SECONDS + 0.011
    assert max(waits) - min(waits) > 0.5 * REPORT_SECONDS


@given(st.binary(max_size=200))
def test_whatever_comes_is_no_fault(data: bytes) -> None:
    peer = Peer()
    peer.send(3)
    assert peer.hear(data) == [] or peer.reports.nacked
