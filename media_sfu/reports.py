"""One peer's RTCP: what we tell it of what it says and is sent, and what it tells and asks us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from media_sfu import rtcp
from media_sfu.forwarder import packet as packet_again
from media_sfu.reception import Reception
from media_sfu.rtcp import Nack, ReceiverReport, ReferenceTime, RtcpError, Schedule, SenderReport
from media_sfu.rtp import RtpPacket
from media_sfu.slot import Slot

REPORT_SECONDS: Final = 2.5
"""On average. Browsers show round trips and losses as of the last report, and take some seconds to adapt anyhow."""


class Reports:
    """Sans-I/O. `wall` is Unix seconds: reports carry NTP time."""

    __slots__ = (
        "_asked",
        "_cname",
        "_reception",
        "_schedule",
        "_slots",
        "_ssrc",
        "_wall",
        "fraction_lost",
        "malformed",
        "nacked",
        "round_trip",
    )

    def __init__(self, ssrc: int, cname: str, slots: Sequence[Slot], *, now: float, wall: Callable[[], float]) -> None:
        """`ssrc`: what we report as when no slot has sent anything yet."""
        self._ssrc = ssrc
        self._cname = cname
        self._slots = {slot.ssrc: slot for slot in slots}
        self._wall = wall
        self._schedule = Schedule(REPORT_SECONDS, now)
        self._reception: Reception | None = None
        self._asked: tuple[ReferenceTime, float] | None = None
        self.round_trip: float | None = None
        """Seconds to the peer and back, as of its last report."""
        self.fraction_lost = 0.0
        """Of what it was sent, as of its last report: the worst slot's."""
        self.nacked = 0
        """Packets it asked for."""
        self.malformed = 0

    def received(self, packet: RtpPacket, now: float) -> None:
        """It said something."""
        reception = self._reception
        if reception is None or reception.ssrc != packet.ssrc:
            reception = self._reception = Reception(packet.ssrc)
        reception.receive(packet.sequence, packet.timestamp, now)

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """What it reports. Returns the packets, not encrypted, that it asked for and that can be sent again."""
        try:
            found = rtcp.parse(data)
        except RtcpError:
            self.malformed += 1
            return []
        again: list[bytes] = []
        for said in found:
            if isinstance(said, Nack):
                again += self._again(said, now)
            elif isinstance(said, SenderReport | ReceiverReport):
                self._reported(said, now)
            elif isinstance(said, ReferenceTime):
                self._asked = (said, now)
        return again

    def due(self, now: float) -> bool:
        """Whether it is time to `build`; if so, the next time is set."""
        return self._schedule.due(now)

    def build(self, now: float, listeners_lost: float = 0.0) -> bytes:
        """A compound packet (RFC 3550, 6.1). `listeners_lost`: the share that those who hear this peer lose. Browsers
        add redundancy only against losses they are told of, and what helps listeners is made by the speaker alone: so
        the loss reported is the worse of both."""
        time = rtcp.ntp(self._wall())
        block = None if self._reception is None else self._reception.report(now)
        if block is not None:
            block = replace(block, fraction=max(block.fraction, min(255, round(listeners_lost * 256))))
        blocks = () if block is None else (block,)
        parts: list[bytes] = []
        names: list[bytes] = []
        for slot in self._slots.values():
            if slot.packets:
                report = SenderReport(slot.ssrc, time, slot.clock(now), slot.packets, slot.octets, blocks)
                parts.append(rtcp.sender_report(report))
                names.append(rtcp.description(slot.ssrc, self._cname))
                blocks = ()
        if not parts:
            parts.append(rtcp.receiver_report(ReceiverReport(self._ssrc, blocks)))
            names.append(rtcp.description(self._ssrc, self._cname))
        if self._asked is not None:
            asked, at = self._asked
            self._asked = None
            names.append(rtcp.delays_since(self._ssrc, [rtcp.answer(asked, now - at)]))
        return rtcp.compound(*parts, *names)

    def ask(self, media: int, sequences: Sequence[int]) -> bytes:
        """Ask the peer for packets of its stream again. Whole, as RFC 3550 wants it, for who did not offer less."""
        empty = rtcp.receiver_report(ReceiverReport(self._ssrc))
        return rtcp.compound(
            empty,
            rtcp.description(self._ssrc, self._cname),
            rtcp.nack(Nack(self._ssrc, media, tuple(sequences))),
        )

    def _again(self, asked: Nack, now: float) -> list[bytes]:
        slot = self._slots.get(asked.media)
        if slot is None:
            self.malformed += 1
            return []
        self.nacked += len(asked.sequences)
        found = (slot.resend(sequence, now) for sequence in asked.sequences)
        return [
            packet_again(slot, one.source.participant, one.frame, one.sequence, one.timestamp, as_red=one.as_red)
            for one in found
            if one is not None
        ]

    def _reported(self, report: SenderReport | ReceiverReport, now: float) -> None:
        if isinstance(report, SenderReport) and self._reception is not None and report.ssrc == self._reception.ssrc:
            self._reception.sender_report(report.ntp, report.timestamp, now)
        time = rtcp.ntp(self._wall())
        worst: float | None = None
        for block in report.blocks:
            if block.ssrc not in self._slots:
                continue
            trip = rtcp.round_trip(block, time)
            if trip is not None:
                self.round_trip = trip
            worst = max(worst or 0.0, block.fraction / 256)
        if worst is not None:
            self.fraction_lost = worst
