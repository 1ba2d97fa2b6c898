"""One speaker's packets, put in order and in their place on the recording's clock, with nothing missing in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from media_sfu.recording.opus_packet import QUANTUM, RATE, OpusPacketError, samples, silence, stereo

HOLD_SECONDS: Final = 0.2
"""How long a packet waits for those before it: longer than a retransmission takes (two round trips of a bad line)."""
MOST_HELD: Final = 512
"""Packets held at most: 200 ms of a burst after a stall of ten seconds."""
STEP: Final = RATE // 5
"""Samples. Timestamps that run away from the clock by more than this, 200 ms, are those of another source or of one
that stood still: it is placed anew. Less is jitter."""
ADJUST: Final = RATE // 50
"""Samples. So far, 20 ms, the two clocks may drift apart while somebody speaks without a pause."""
PAUSE: Final = RATE // 10
"""Samples. In a gap of 100 ms or more the drift is taken out unheard."""
WINDOW_SECONDS: Final = 5.0
"""The quickest packet of the last one or two windows tells how the clocks stand: jitter only ever makes packets
late."""
MOST_AHEAD: Final = RATE
"""Samples. What is written may run ahead of the clock by 1 s (a stall's late packets behind the silence that stood in
for them), until the next pause; who sends more sound than time passes loses what is beyond."""
TOLD_GAP: Final = RATE
"""Samples. Gaps from 1 s are told one by one; pauses between sentences are not."""
FAR: Final = 500
"""A number so far behind the last is a new count, not a late packet: an uplink keeps none that long."""
MOST_TOLD: Final = 64
"""Gaps kept until somebody takes them; a recording takes them ten times a second."""


class Piece(NamedTuple):
    """A packet in its place. `position` and `samples` are at 48 kHz; each begins where the one before it ends."""

    position: int
    opus: bytes
    samples: int


class Gap(NamedTuple):
    """Where nothing was said or came: samples at 48 kHz."""

    position: int
    samples: int


@dataclass(slots=True)
class Counts:
    """Packets. `late`: after their place was taken; `malformed`: no decoder would take them; `overrun`: more sound than
    time; `flooded`: more than may be held. `rebased`: how often a source was placed anew. `filled`: samples of
    silence."""

    packets: int = 0
    late: int = 0
    duplicate: int = 0
    malformed: int = 0
    overrun: int = 0
    flooded: int = 0
    rebased: int = 0
    filled: int = 0


class _Held(NamedTuple):
    timestamp: int
    arrival: int
    opus: bytes
    samples: int


@dataclass(slots=True)
class _Floor:
    """The smallest distance of arrival and timestamp lately, in samples."""

    until: int
    earlier: int
    now: int

    def see(self, distance: int, arrival: int) -> int:
        if arrival >= self.until:
            self.earlier, self.now = self.now, distance
            self.until = arrival + int(WINDOW_SECONDS * RATE)
        self.now = min(self.now, distance)
        return min(self.earlier, self.now)


@dataclass(slots=True)
class OpusTrack:
    """`began`: the clock, in seconds, at position 0. `grid`: samples; the first piece lies on a multiple of it, and
    silence is cut there, so that what is split at the grid plays exactly as long as the grid says, unless somebody
    speaks across."""

    began: float
    grid: int
    counts: Counts = field(default_factory=Counts)
    gaps: list[Gap] = field(default_factory=list)
    end: int | None = None
    """The position behind the last piece; None before the first."""
    channels: int = 1
    _held: dict[tuple[int, int], _Held] = field(default_factory=dict)
    _run: int = 0
    _released: tuple[int, int] = (0, -1)
    _placed: int = -1
    _offset: int = 0
    _floor: _Floor = field(default_factory=lambda: _Floor(0, 0, 0))
    _toc: int = 0

    def position(self, now: float) -> int:
        """The clock as a position."""
        return int((now - self.began) * RATE)

    def source(self) -> None:
        """Packets from here on come from another source: their numbers and timestamps tell nothing about those
        before."""
        self._run += 1

    def push(self, number: int, timestamp: int, opus: bytes, now: float) -> None:
        """A packet that has just come. What cannot be used is counted."""
        run, last = self._released
        if run == self._run and number < last - FAR:
            self.source()
        key = (self._run, number)
        if key <= self._released:
            self.counts.late += 1
        elif key in self._held:
            self.counts.duplicate += 1
        elif len(self._held) >= MOST_HELD:
            self.counts.flooded += 1
        else:
            try:
                length = samples(opus)
            except OpusPacketError:
                self.counts.malformed += 1
                return
            self._held[key] = _Held(timestamp, self.position(now), opus, length)

    def release(self, now: float, *, everything: bool = False) -> list[Piece]:
        """The pieces whose turn has come, and silence where there are none: `HOLD_SECONDS` after it came a packet and
        all before it go."""
        due = self.position(now - HOLD_SECONDS)
        last: tuple[int, int] | None = None
        for key, held in self._held.items():  # in the order of their arrival
            if not everything and held.arrival > due:
                break
            last = key if last is None else max(last, key)
        if last is None:
            return []
        soonest = self._soonest()
        pieces: list[Piece] = []
        for key in sorted(key for key in self._held if key <= last):
            self._place(key[0], self._held.pop(key), soonest[key], pieces)
        self._released = last
        return pieces

    def fill(self, until: int) -> list[Piece]:
        """Silence from the end to `until`."""
        pieces: list[Piece] = []
        if self.end is not None and until - self.end >= QUANTUM:
            self._fill(self.end, until, pieces)
        return pieces

    def _soonest(self) -> dict[tuple[int, int], int]:
        """For each held packet the smallest distance of arrival and timestamp among it and its source's later ones.

        A line that stalled brings all it kept at once, and the last of it is not late any more: a source that paused
        stays late. So the two are told apart when the packet's turn comes, not when it arrives.
        """
        soonest: dict[tuple[int, int], int] = {}
        run, least = -1, 0
        for key in sorted(self._held, reverse=True):
            held = self._held[key]
            distance = held.arrival - held.timestamp
            least = min(least, distance) if key[0] == run else distance
            run = key[0]
            soonest[key] = least
        return soonest

    def _place(self, run: int, held: _Held, soonest: int, pieces: list[Piece]) -> None:
        distance = held.arrival - held.timestamp
        if run != self._placed:
            self._rebase(soonest, held.arrival)
        elif distance < self._offset - STEP:
            self._rebase(distance, held.arrival)
        elif soonest > self._offset + STEP:
            self._rebase(soonest, held.arrival)
        self._placed = run
        floor = self._floor.see(distance, held.arrival)
        if self.end is None:
            self.end = max(0, held.timestamp + self._offset) // self.grid * self.grid
            self._toc = held.opus[0]
            self.channels = 2 if stereo(held.opus) else 1
        gap = held.timestamp + self._offset - self.end
        if abs(floor - self._offset) >= ADJUST or gap >= PAUSE:
            self._offset = floor
            gap = held.timestamp + self._offset - self.end
        if gap < -MOST_AHEAD:
            self.counts.overrun += 1
            return
        if gap >= QUANTUM:
            self._fill(self.end, self.end + gap, pieces)
        pieces.append(Piece(self.end, held.opus, held.samples))
        self.end += held.samples
        self._toc = held.opus[0]
        self.counts.packets += 1

    def _rebase(self, offset: int, arrival: int) -> None:
        self.counts.rebased += self._placed >= 0
        self._offset = offset
        self._floor = _Floor(arrival + int(WINDOW_SECONDS * RATE), offset, offset)

    def _fill(self, begin: int, until: int, pieces: list[Piece]) -> None:
        at = begin
        while until - at >= QUANTUM:
            stop = min(until, (at // self.grid + 1) * self.grid)
            for opus, length in silence(self._toc, stop - at):
                pieces.append(Piece(at, opus, length))
                at += length
        self.end = at
        self.counts.filled += at - begin
        if self.gaps and self.gaps[-1].position + self.gaps[-1].samples == begin:
            begin = self.gaps.pop().position
        if at - begin >= TOLD_GAP and len(self.gaps) < MOST_TOLD:
            self.gaps.append(Gap(begin, at - begin))
