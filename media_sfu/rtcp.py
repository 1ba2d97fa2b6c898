"""RTCP: compound packets into values and back (RFC 3550, 4585, 5506, 3611).

What an SFU for speech has no use for (descriptions, picture and transport feedback, application packets) is checked
for its length and left out.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 2_048
"""Of a compound packet. More than one datagram of any usual path."""
MOST_NACKED: Final = 128
"""Sequence numbers taken from one compound packet; the rest is left out. They are 2.5 s of speech, more than a history
has, and a datagram full of them (6,000) must not cost more than one that asks for what can be had."""
MOST_BLOCKS: Final = 31
"""The count has five bits."""
MOST_LOST: Final = 0x7FFFFF
"""Cumulative loss has 24 bits and a sign."""
UNIX_IN_NTP: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""
MOST_ROUND_TRIP: Final = 60.0
"""Seconds. A longer one is a forged or mistaken report."""
CLOCK_GRAIN: Final = 0.002
"""Seconds below 0 that a round trip may seem to be: three roundings of 15 us, and a peer that counts milliseconds."""

SR: Final = 200
RR: Final = 201
SDES: Final = 202
BYE: Final = 203
RTPFB: Final = 205
XR: Final = 207

_NACK: Final = 1
_CNAME: Final = 1
_REFERENCE_TIME: Final = 4
_DLRR: Final = 5

_HEADER: Final = struct.Struct(">BBH")
_WORD: Final = struct.Struct(">I")
_SENDER: Final = struct.Struct(">IQIII")
_BLOCK: Final = struct.Struct(">IIIIII")
_TWO_WORDS: Final = struct.Struct(">II")
_PAIR: Final = struct.Struct(">HH")
_NTP: Final = struct.Struct(">Q")
_XR_HEADER: Final = struct.Struct(">BBH")
_DLRR_ITEM: Final = struct.Struct(">III")


class RtcpError(ValueError):
    """Not a well-formed RTCP packet: to be dropped and counted."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """How one stream arrives. `fraction` lost since the last report in 1/256; `lost` so far (may be negative);
    `highest` sequence number, extended by the wraps to 32 bits; `jitter` in ticks of the stream's clock; `last_report`:
    the middle 32 bits of the last sender report's NTP time (0: none); `delay` since then in 1/65536 s."""

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """`ntp`: 64 bits, as `ntp()` makes it; `timestamp`: the stream's clock at that time."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Nack:
    """`sender` misses packets `sequences` of the stream `media`."""

    sender: int
    media: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bye:
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReferenceTime:
    """A receiver's clock (RFC 3611, 4.4), to be answered by `DelaySince`: it has no sender reports to measure the
    round trip by."""

    ssrc: int
    ntp: int


@dataclass(frozen=True, slots=True)
class DelaySince:
    """The answer to `ReferenceTime` (RFC 3611, 4.5): to receiver `ssrc`, `last` the middle 32 bits of its time, and
    `delay` since it came in 1/65536 s."""

    ssrc: int
    last: int
    delay: int


Report = SenderReport | ReceiverReport | Nack | Bye | ReferenceTime


def parse(data: bytes) -> list[Report]:
    """What is of interest in a compound packet, in order. Reduced-size ones are taken (RFC 5506).

    Raises `RtcpError` if any part of it is malformed.
    """
    size = len(data)
    if size > MOST_BYTES:
        raise RtcpError(f"An RTCP packet of {size} bytes is too large")
    if size < 4 or size % 4:
        raise RtcpError(f"{size} bytes are no RTCP packet")
    found: list[Report] = []
    nacked = 0
    at = 0
    while at < size:
        first, kind, words = _HEADER.unpack_from(data, at)
        start, end = at + 4, at + 4 + 4 * words
        if first >> 6 != 2:
            raise RtcpError("Not RTCP version 2")
        if end > size:
            raise RtcpError("An RTCP packet claims more than there is")
        at = end
        if first & 0x20:
            end = _unpadded(data, start, end, last=at == size)
        count = first & 0x1F
        if kind == SR:
            found.append(_sender_report(data, start, end, count))
        elif kind == RR:
            if end - start < 4:
                raise RtcpError("A receiver report without its sender")
            found.append(ReceiverReport(_WORD.unpack_from(data, start)[0], _blocks(data, start + 4, end, count)))
        elif kind == RTPFB and count == _NACK:
            nack = _nack(data, start, end, MOST_NACKED - nacked)
            nacked += len(nack.sequences)
            found.append(nack)
        elif kind == BYE:
            if end - start < 4 * count:
                raise RtcpError("A goodbye claims more than there is")
            found.append(Bye(struct.unpack_from(f">{count}I", data, start)))
        elif kind == XR:
            found.extend(_extended(data, start, end))
    return found


def _unpadded(data: bytes, start: int, end: int, *, last: bool) -> int:
    padding = data[end - 1] if end > start else 0
    if not last or padding == 0 or padding % 4 or padding > end - start:
        raise RtcpError("RTCP padding is wrong")
    return end - padding


def _sender_report(data: bytes, start: int, end: int, count: int) -> SenderReport:
    if end - start < _SENDER.size:
        raise RtcpError("A sender report is too short")
    ssrc, time, timestamp, packets, octets = _SENDER.unpack_from(data, start)
    return SenderReport(ssrc, time, timestamp, packets, octets, _blocks(data, start + _SENDER.size, end, count))


def _blocks(data: bytes, start: int, end: int, count: int) -> tuple[ReportBlock, ...]:
    # What follows the blocks is an extension of the sender's profile (RFC 3550, 6.4.3).
    if end - start < count * _BLOCK.size:
        raise RtcpError("A report claims more blocks than there are")
    blocks = []
    for at in range(start, start + count * _BLOCK.size, _BLOCK.size):
        ssrc, loss, highest, jitter, last_report, delay = _BLOCK.unpack_from(data, at)
        lost = loss & 0xFFFFFF
        blocks.append(
            ReportBlock(
                ssrc, loss >> 24, lost - 0x1000000 if lost > MOST_LOST else lost, highest, jitter, last_report, delay
            )
        )
    return tuple(blocks)


def _nack(data: bytes, start: int, end: int, most: int) -> Nack:
    if end - start < _TWO_WORDS.size + _PAIR.size:
        raise RtcpError("A NACK asks for nothing")
    sender, media = _TWO_WORDS.unpack_from(data, start)
    sequences: dict[int, None] = {}
    for at in range(start + _TWO_WORDS.size, end, _PAIR.size):
        if len(sequences) >= most:
            break
        first, following = _PAIR.unpack_from(data, at)
        sequences[first] = None
        for bit in range(16):
            if following >> bit & 1:
                sequences[(first + bit + 1) & 0xFFFF] = None
    return Nack(sender, media, tuple(sequences)[:most])


def _extended(data: bytes, start: int, end: int) -> list[ReferenceTime]:
    if end - start < 4:
        raise RtcpError("An extended report without its sender")
    ssrc = _WORD.unpack_from(data, start)[0]
    found = []
    at = start + 4
    while at < end:
        kind, _, words = _XR_HEADER.unpack_from(data, at)
        at += 4 + 4 * words
        if at > end:
            raise RtcpError("A block of an extended report claims more than there is")
        if kind == _REFERENCE_TIME:
            if words != 2:
                raise RtcpError("A reference time has 64 bits")
            found.append(ReferenceTime(ssrc, _NTP.unpack_from(data, at - 8)[0]))
    return found


# Builders


def sender_report(report: SenderReport) -> bytes:
    counts = (report.timestamp & 0xFFFFFFFF, report.packets & 0xFFFFFFFF, report.octets & 0xFFFFFFFF)
    return _packet(SR, len(report.blocks), _SENDER.pack(report.ssrc, report.ntp, *counts) + _block_bytes(report.blocks))


def receiver_report(report: ReceiverReport) -> bytes:
    return _packet(RR, len(report.blocks), _WORD.pack(report.ssrc) + _block_bytes(report.blocks))


def description(ssrc: int, cname: str) -> bytes:
    """SDES with the one item that is required. `cname` has 255 bytes at most."""
    name = cname.encode()
    if len(name) > 255:
        raise ValueError("A CNAME has 255 bytes at most")
    chunk = _WORD.pack(ssrc) + bytes((_CNAME, len(name))) + name
    # The list of items ends with at least one zero byte, and with as many more as fill the word.
    return _packet(SDES, 1, chunk + bytes(4 - len(chunk) % 4))


def nack(request: Nack) -> bytes:
    """Sequence numbers in the order they were sent, that is with wraps; a word holds one and any of the next 16."""
    body = bytearray(_TWO_WORDS.pack(request.sender, request.media))
    first: int | None = None
    following = 0
    for sequence in request.sequences:
        ahead = 0 if first is None else (sequence - first) & 0xFFFF
        if first is not None and 0 < ahead <= 16:
            following |= 1 << (ahead - 1)
        elif first is None or ahead:
            if first is not None:
                body += _PAIR.pack(first, following)
            first, following = sequence, 0
    if first is None:
        raise ValueError("A NACK names at least one packet")
    return _packet(RTPFB, _NACK, bytes(body + _PAIR.pack(first, following)))


def delays_since(sender: int, answers: Sequence[DelaySince]) -> bytes:
    """An extended report with a DLRR block."""
    items = b"".join(_DLRR_ITEM.pack(item.ssrc, item.last, item.delay) for item in answers)
    return _packet(XR, 0, _WORD.pack(sender) + _XR_HEADER.pack(_DLRR, 0, len(items) // 4) + items)


def bye(ssrcs: Sequence[int]) -> bytes:
    return _packet(BYE, len(ssrcs), struct.pack(f">{len(ssrcs)}I", *ssrcs))


def compound(*packets: bytes) -> bytes:
    """Reports first, then the description; with `rtcp-rsize` a NACK may go alone."""
    return b"".join(packets)


def _block_bytes(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction << 24 | block.lost & 0xFFFFFF,
            block.highest,
            block.jitter,
            block.last_report,
            block.delay,
        )
        for block in blocks
    )


def _packet(kind: int, count: int, body: bytes) -> bytes:
    if count > MOST_BLOCKS:
        raise ValueError(f"An RTCP packet has {MOST_BLOCKS} entries at most")
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


# Time


def ntp(unix: float) -> int:
    """Unix seconds as 64 bits of NTP time."""
    return round((unix + UNIX_IN_NTP) * 4294967296) & 0xFFFFFFFFFFFFFFFF


def compact(time: int) -> int:
    """The middle 32 bits of an NTP time: seconds in 1/65536, modulo 18 hours."""
    return time >> 16 & 0xFFFFFFFF


def answer(request: ReferenceTime, waited: float) -> DelaySince:
    """What to tell a receiver whose time came `waited` seconds ago."""
    return DelaySince(request.ssrc, compact(request.ntp), min(max(0, round(waited * 65536)), 0xFFFFFFFF))


def round_trip(block: ReportBlock, now: int) -> float | None:
    """Seconds to the receiver and back, by its answer to a sender report of ours that comes at `now` (64 bits of NTP
    time); None if it has had none, or what it says cannot be."""
    if block.last_report == 0:
        return None
    units = (compact(now) - block.last_report - block.delay) & 0xFFFFFFFF
    if units > 0x7FFFFFFF:
        return 0.0 if (0x100000000 - units) / 65536 <= CLOCK_GRAIN else None
    seconds = units / 65536
    return seconds if seconds <= MOST_ROUND_TRIP else None


class Schedule:
    """When to report: after 0.5 to 1.5 times the interval (RFC 3550, 6.3.1), so that peers that came together do not
    report together. The first time after half as long, so that figures are there soon."""

    __slots__ = ("_dice", "_interval", "at")

    def __init__(self, interval: float, now: float, dice: Callable[[], float] = random.random) -> None:
        """`interval` in seconds; `dice` gives numbers from 0 to below 1."""
        self._interval = interval
        self._dice = dice
        self.at = now + self._wait() / 2

    def due(self, now: float) -> bool:
        """Whether it is time; if so, the next time is set."""
        if now < self.at:
            return False
        self.at = now + self._wait()
        return True

    def _wait(self) -> float:
        return self._interval * (0.5 + self._dice())
