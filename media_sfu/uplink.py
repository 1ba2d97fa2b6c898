"""From a speaker's packets to frames: what is lost, doubled, late or forged on the way up ends here.

Listeners see one gapless row of numbers and one clock, whatever the speaker sends. A lost packet is rebuilt from the
RED of a later one. If that fails its number is kept free for a moment and the speaker is asked again, but rarely: each
number left out makes every listener ask the SFU for what it hasn't got. So most gaps are simply closed; the timestamps
still tell the listeners' jitter buffers that some sound is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from media_sfu import red
from media_sfu.budget import Budget
from media_sfu.frame import CLOCK, OPUS_PT, PACKET_TICKS, Frame
from media_sfu.red import MOST_OFFSET, Block, RedError
from media_sfu.rtp import RtpPacket

JUMP_PACKETS: Final = 500
"""Further ahead or back than this is no loss but another stream: 10 s of 20 ms packets."""
JUMP_TICKS: Final = 10 * CLOCK
REBASES_PER_SECOND: Final = 5.0
"""New streams of one speaker, and as many at once. A browser makes one when its microphone changes; beyond, packets are
dropped."""
OLD_PACKETS: Final = 10
OLD_SECONDS: Final = 0.5
"""After so many old sequence numbers in a row, and nothing new for so long, the stream went back for good. The time
tells it from packets sent twice, which come between new ones."""

KEPT_PACKETS: Final = 3
"""A longer gap is closed at once: what NACK brings of it comes in part and too late."""
KEPT_SECONDS: Final = 0.25
"""For how long a number is kept free: jitter buffers of listeners seldom wait longer."""
GAPS_PER_SECOND: Final = 1.0
GAPS_BURST: Final = 3.0
"""Gaps of one speaker that are kept open. RED leaves some 0.1 to 0.5 per second at 5% loss."""
ASKS: Final = 2
"""How often a packet is asked for."""
ROUND_TRIP: Final = 0.1
"""Seconds between two of these, until the true round trip is known."""

_LONGEST_PAUSE: Final = 1 << 30
"""Ticks, 6 h: a listener takes a step of 2^31 ticks for one back."""
_RECENT: Final = 32
"""Of so many numbers the timestamps are known: 0.6 s of 20 ms packets; RED reaches back 0.34 s. A power of two, and not
below `red.MOST_BLOCKS`."""
_NEVER: Final = -MOST_OFFSET - 1
"""Equal to no timestamp: the first one is 0, and a block lies `MOST_OFFSET` before it at most."""
_NOBODY: Final = -1


@dataclass(slots=True)
class Counts:
    """Packets of this uplink since its beginning. Those that simply went on are not counted."""

    rebuilt: int = 0
    """Lost ones had from RED."""
    late: int = 0
    """Came, by themselves or on request, while their number was kept free."""
    lost: int = 0
    """Neither."""
    old: int = 0
    """Dropped: seen, rebuilt or given up before."""
    foreign: int = 0
    """Dropped: another payload type."""
    malformed: int = 0
    """Dropped: RED that cannot be read."""
    empty: int = 0
    """Dropped: without sound."""
    rebased: int = 0
    """New streams, but for the first."""
    refused: int = 0
    """Dropped: new streams too often."""


@dataclass(slots=True)
class _Kept:
    """A number kept free. What comes for it must lie between the timestamps `after` and `before`."""

    number: int
    after: int
    before: int
    until: float
    asked: int = 0
    again_at: float = float("-inf")


class Uplink:
    """One participant's stream. All methods want `now` from the same monotonic clock."""

    __slots__ = (
        "_clock", "_gaps", "_heard", "_keeps", "_kept", "_number", "_old_from", "_old_run", "_old_sequence", "_opus",
        "_rebases", "_recent", "_red", "_sequence", "_ssrc", "_timestamp", "counts", "round_trip",
    )  # fmt: skip

    def __init__(self, opus: int, red: int | None, nack: bool) -> None:
        """`opus` and `red` (None: not negotiated) are the payload types; `nack`: the speaker sends again on request."""
        self.counts = Counts()
        self.round_trip = ROUND_TRIP
        """Seconds to the speaker and back, for who knows better to set."""
        self._opus = opus
        self._red = _NOBODY if red is None else red
        self._keeps = nack and red is not None
        # Of the newest packet: what the speaker says, and what it is for listeners.
        self._ssrc = _NOBODY
        self._sequence = 0
        self._clock = 0
        self._number = -1
        self._timestamp = 0
        self._heard = 0.0
        self._recent = [_NEVER] * _RECENT  # timestamps by number
        self._kept: dict[int, _Kept] = {}  # by sequence
        self._gaps = Budget(GAPS_PER_SECOND, GAPS_BURST)
        self._rebases = Budget(REBASES_PER_SECOND, REBASES_PER_SECOND)
        self._old_sequence = 0
        self._old_from = -1
        self._old_run = 0

    def receive(self, packet: RtpPacket, now: float) -> list[Frame]:
        """What is to be forwarded now, in that order: what could be rebuilt, then the packet's own sound."""
        advance = (packet.timestamp - self._clock) & 0xFFFFFFFF
        sequence = packet.sequence
        if (
            (sequence - self._sequence) & 0xFFFF == 1
            and packet.ssrc == self._ssrc
            and 0 < advance <= JUMP_TICKS
            and not self._kept
        ):
            payload_type = packet.payload_type
            if payload_type == self._opus and packet.payload:
                self._sequence = sequence
                self._clock = packet.timestamp
                self._heard = now
                self._number = number = self._number + 1
                self._timestamp = timestamp = self._timestamp + advance
                self._recent[number & 31] = timestamp
                return [Frame(number, timestamp, packet.marker, packet.payload)]
            if payload_type == self._red:
                blocks = self._read(packet)
                if blocks is None:
                    self._sequence = sequence
                    return []
                return [self._forward(packet, blocks, self._number + 1, self._timestamp + advance, now)]
        return self._receive(packet, advance, now)

    def missing(self, now: float) -> list[int]:
        """Sequence numbers that the speaker is to be asked for now (RFC 4585, NACK)."""
        if not self._kept:
            return []
        self._give_up(now)
        wanted: list[int] = []
        for sequence, kept in self._kept.items():
            if kept.asked < ASKS and now >= kept.again_at:
                kept.asked += 1
                kept.again_at = now + self.round_trip
                wanted.append(sequence)
        return wanted

    def source_clock(self, now: float) -> int:
        """The timestamp that this source's sound of now has, in ticks."""
        return self._timestamp + max(0, int((now - self._heard) * CLOCK))

    def break_off(self) -> None:
        """What comes next belongs to no earlier packet (after a mute): nothing from before is rebuilt or sent along."""
        self._ssrc = _NOBODY

    def _receive(self, packet: RtpPacket, advance: int, now: float) -> list[Frame]:
        blocks = self._read(packet)
        if packet.ssrc != self._ssrc:
            return [] if blocks is None else self._rebase(packet, blocks, now)
        ahead = (packet.sequence - self._sequence) & 0xFFFF
        if blocks is None:
            if ahead == 1:  # it has used up its sequence number: that is no loss
                self._sequence = packet.sequence
            return []
        if not ahead or ahead >= 0x10000 - JUMP_PACKETS:
            return self._receive_old(packet, blocks, now)
        if ahead > JUMP_PACKETS or not 0 < advance <= JUMP_TICKS:
            return self._rebase(packet, blocks, now)
        timestamp = self._timestamp + advance
        frames: list[Frame] = []
        if self._kept:
            self._give_up(now)
            frames += self._fill_from(packet.sequence, blocks, timestamp)
        number = self._number + 1
        if ahead > 1:
            frames += self._bridge(packet.sequence, ahead - 1, blocks, timestamp, now)
            number = self._number + 1
        frames.append(self._forward(packet, blocks, number, timestamp, now))
        return frames

    def _read(self, packet: RtpPacket) -> list[Block] | None:
        """The blocks of sound in a packet, None (and counted) if its own sound isn't Opus."""
        if packet.payload_type == self._opus:
            blocks = [Block(self._opus, 0, packet.payload)]
        elif packet.payload_type == self._red:
            try:
                blocks = red.parse(packet.payload)
            except RedError:
                self.counts.malformed += 1
                return None
        else:
            self.counts.foreign += 1
            return None
        primary = blocks[-1]
        if primary.payload_type != self._opus:
            self.counts.foreign += 1
            return None
        if not primary.payload:
            self.counts.empty += 1
            return None
        return blocks

    def _forward(self, packet: RtpPacket, blocks: list[Block], number: int, timestamp: int, now: float) -> Frame:
        """The packet itself becomes the newest."""
        self._sequence = packet.sequence
        self._clock = packet.timestamp
        self._heard = now
        self._number = number
        self._timestamp = timestamp
        recent = self._recent
        recent[number & 31] = timestamp
        reach = back = len(blocks) - 1
        if not reach:
            return Frame(number, timestamp, packet.marker, blocks[0].payload)
        if self._opus == OPUS_PT:
            for block in blocks:
                if not back:  # each block was the sound of one number earlier: the payload goes on as it is
                    return Frame(number, timestamp, packet.marker, block.payload, packet.payload, reach)
                if (
                    recent[(number - back) & 31] != timestamp - block.offset
                    or block.payload_type != OPUS_PT
                    or not block.payload
                ):
                    break
                back -= 1
        payload, reach = self._sift(blocks, number, timestamp)
        return Frame(number, timestamp, packet.marker, blocks[-1].payload, payload, reach)

    def _sift(self, blocks: list[Block], number: int, timestamp: int) -> tuple[bytes | None, int]:
        """RED of those blocks that stand for a frame of this stream, and how far back they go.

        So nothing from before a new stream's beginning passes, nor sound that claims a time when there was none.
        """
        good: list[Block] = []
        reach = 0
        nearest = MOST_OFFSET + 1
        for block in blocks[:-1]:
            if block.payload_type != self._opus or not block.payload or not 0 < block.offset < nearest:
                continue
            try:
                back = (number - self._recent.index(timestamp - block.offset)) % _RECENT
            except ValueError:
                continue
            nearest = block.offset
            reach = max(reach, back)
            good.append(msgspec.structs.replace(block, payload_type=OPUS_PT))
        if not good:
            return None, 0
        return red.build([*good, msgspec.structs.replace(blocks[-1], payload_type=OPUS_PT)]), reach

    def _bridge(self, sequence: int, missing: int, blocks: list[Block], timestamp: int, now: float) -> list[Frame]:
        """`missing` packets before `sequence` (at `timestamp`) are not there: rebuild, keep free, or close the gap."""
        found = self._rebuildable(blocks, missing, timestamp)
        gone = missing - len(found)
        keep = 0 < gone <= KEPT_PACKETS and self._keeps and self._gaps.take(now)
        if not keep:
            self.counts.lost += gone
        self.counts.rebuilt += len(found)
        frames: list[Frame] = []
        number = self._number
        before = self._timestamp
        waiting: list[_Kept] = []
        for back in range(missing, 0, -1) if keep else sorted(found, reverse=True):
            number += 1
            block = found.get(back)
            if block is None:
                kept = _Kept(number, before, timestamp, now + KEPT_SECONDS)
                self._kept[(sequence - back) & 0xFFFF] = kept
                self._recent[number & 31] = _NEVER
                waiting.append(kept)
                continue
            before = timestamp - block.offset
            for kept in waiting:
                kept.before = before
            waiting.clear()
            self._recent[number & 31] = before
            frames.append(Frame(number, before, False, block.payload))
        self._number = number
        return frames

    def _rebuildable(self, blocks: list[Block], missing: int, timestamp: int) -> dict[int, Block]:
        """The blocks that stand for one of the `missing` packets before this one, by how many packets back.

        RED of browsers has one block per packet back, so the place in the payload names the packet.
        """
        found: dict[int, Block] = {}
        offset = 0
        for back, block in enumerate(reversed(blocks[:-1]), 1):
            if back > missing or timestamp - block.offset <= self._timestamp:
                break
            if block.payload_type == self._opus and block.payload and block.offset > offset:
                offset = block.offset
                found[back] = block
        return found

    def _fill_from(self, sequence: int, blocks: list[Block], timestamp: int) -> list[Frame]:
        """What the RED of the packet `sequence` brings for numbers that are kept free."""
        frames: list[Frame] = []
        last = len(blocks) - 1
        for place, block in enumerate(blocks[:-1]):
            name = (sequence - last + place) & 0xFFFF
            if name in self._kept and block.payload_type == self._opus and block.payload:
                frame = self._fill(name, timestamp - block.offset, block.payload, marker=False)
                if frame is not None:
                    self.counts.rebuilt += 1
                    frames.append(frame)
        return frames

    def _fill(self, sequence: int, timestamp: int, opus: bytes, *, marker: bool) -> Frame | None:
        """A late frame takes the number kept for it, unless its timestamp does not fit there."""
        kept = self._kept[sequence]
        if not kept.after < timestamp < kept.before:
            return None
        del self._kept[sequence]
        for other in self._kept.values():
            if other.number < kept.number:
                other.before = min(other.before, timestamp)
            else:
                other.after = max(other.after, timestamp)
        if self._number - kept.number < _RECENT:
            self._recent[kept.number & 31] = timestamp
        return Frame(kept.number, timestamp, marker, opus)

    def _receive_old(self, packet: RtpPacket, blocks: list[Block], now: float) -> list[Frame]:
        """A packet at or behind the newest: it came late, or twice."""
        self._give_up(now)
        if packet.sequence in self._kept:
            behind = (self._clock - packet.timestamp) & 0xFFFFFFFF
            frame = self._fill(packet.sequence, self._timestamp - behind, blocks[-1].payload, marker=packet.marker)
            if frame is not None:
                self.counts.late += 1
                return [frame]
        if self._old_from != self._number or (packet.sequence - self._old_sequence) & 0xFFFF != 1:
            self._old_from = self._number
            self._old_run = 0
        self._old_sequence = packet.sequence
        self._old_run += 1
        if self._old_run >= OLD_PACKETS and now - self._heard >= OLD_SECONDS:
            return self._rebase(packet, blocks, now)
        self.counts.old += 1
        return []

    def _rebase(self, packet: RtpPacket, blocks: list[Block], now: float) -> list[Frame]:
        """Another stream: the numbers go on by one, the timestamps by the time that has passed."""
        if not self._rebases.take(now):
            self.counts.refused += 1
            return []
        timestamp = self._timestamp
        if self._number >= 0:
            self.counts.rebased += 1
            timestamp += min(max(PACKET_TICKS, int((now - self._heard) * CLOCK)), _LONGEST_PAUSE)
        self._ssrc = packet.ssrc
        self.counts.lost += len(self._kept)
        self._kept.clear()
        self._recent[:] = [_NEVER] * _RECENT
        frame = self._forward(packet, blocks[-1:], self._number + 1, timestamp, now)
        return [msgspec.structs.replace(frame, marker=True)]  # sound begins anew (RFC 3551, 4.1)

    def _give_up(self, now: float) -> None:
        over = [sequence for sequence, kept in self._kept.items() if now >= kept.until]
        for sequence in over:
            del self._kept[sequence]
        self.counts.lost += len(over)
