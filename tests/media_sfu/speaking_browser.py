"""A browser that speaks, packet by packet, and what holds for all that an uplink makes of it for listeners."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise

from media_sfu import red
from media_sfu.frame import OPUS_PT, PACKET_TICKS, Frame
from media_sfu.red import MOST_OFFSET, Block
from media_sfu.rtp import RtpPacket
from media_sfu.uplink import Uplink

RED_PT = 63
PACKET = 0.02
Step = tuple[RtpPacket, float]


class Speaker:
    """A browser: every packet has the sound of the last `depth` ones with it."""

    def __init__(self, depth: int | None, *, sequence: int = 65_000, timestamp: int = 2**32 - 5_000) -> None:
        self.sequence = sequence
        self.timestamp = timestamp
        self.ssrc = 1
        self.opus = OPUS_PT
        self.said = 0
        self._depth = depth
        self._earlier: deque[tuple[int, bytes]] = deque(maxlen=depth or 0)

    def next(self, *, marker: bool = False) -> RtpPacket:
        """The packet of the next 20 ms."""
        sound = b"sound %d" % self.said
        self.said += 1
        payload_type, payload = self.opus, sound
        if self._depth is not None:
            back = [((self.timestamp - at) & 0xFFFFFFFF, earlier) for at, earlier in self._earlier]
            blocks = [Block(self.opus, offset, earlier) for offset, earlier in back if offset <= MOST_OFFSET]
            payload_type, payload = RED_PT, red.build([*blocks, Block(self.opus, 0, sound)])
            self._earlier.append((self.timestamp, sound))
        packet = RtpPacket(marker, payload_type, self.sequence, self.timestamp, self.ssrc, None, None, payload)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + PACKET_TICKS) & 0xFFFFFFFF
        return packet

    def steps(self, count: int) -> list[Step]:
        return [(self.next(), number * PACKET) for number in range(count)]


def run(uplink: Uplink, steps: Iterable[Step]) -> list[Frame]:
    return [frame for packet, now in steps for frame in uplink.receive(packet, now)]


def told(frames: Iterable[Frame]) -> list[tuple[int, int, bytes]]:
    return [(frame.number, frame.timestamp, frame.opus) for frame in frames]


def sounds(*numbers: int) -> list[tuple[int, int, bytes]]:
    """Frames in a row, each with the sound said as the given one, its timestamp to match."""
    return [(place, number * PACKET_TICKS, b"sound %d" % number) for place, number in enumerate(numbers)]


def check(frames: Iterable[Frame], *, honest: bool = True) -> dict[int, Frame]:
    """What holds for all that goes to listeners; the frames by number. `honest`: its clock never went back."""
    by_number: dict[int, Frame] = {}
    by_timestamp: dict[int, Frame] = {}
    for frame in frames:
        assert frame.number >= 0
        assert frame.number not in by_number, "a number is used once"
        assert frame.opus
        by_number[frame.number] = frame
        by_timestamp[frame.timestamp] = frame
        if frame.red is None:
            assert frame.reach == 0
            continue
        *earlier, primary = red.parse(frame.red)
        assert primary == Block(OPUS_PT, 0, frame.opus)
        assert earlier
        backs = []
        for block in earlier:
            stands_for = by_timestamp[frame.timestamp - block.offset]
            assert block == Block(OPUS_PT, block.offset, stands_for.opus if honest else block.payload)
            backs.append(frame.number - stands_for.number)
        assert min(backs) > 0
        assert max(backs) == frame.reach
    ordered = [by_number[number] for number in sorted(by_number)]
    for before, after in pairwise(ordered):
        assert before.timestamp < after.timestamp, "time goes on with the numbers"
    return by_number


def gaps(numbers: Iterable[int]) -> Iterator[int]:
    before = -1
    for number in sorted(numbers):
        yield from range(before + 1, number)
        before = number
