"""Whatever comes up, listeners get one gapless row of numbers and one clock."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from operator import attrgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_sfu import red
from media_sfu.frame import CLOCK, OPUS_PT, PACKET_TICKS, Frame
from media_sfu.red import MOST_BLOCKS, MOST_OFFSET, Block
from media_sfu.rtp import RtpPacket
from media_sfu.uplink import (
    GAPS_BURST,
    GAPS_PER_SECOND,
    JUMP_PACKETS,
    JUMP_TICKS,
    KEPT_PACKETS,
    KEPT_SECONDS,
    OLD_SECONDS,
    REBASES_PER_SECOND,
    Uplink,
)

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


@pytest.mark.parametrize("depth", [None, 0, 1, 2, 9])
def test_a_good_line(depth: int | None) -> None:
    speaker = Speaker(depth)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, speaker.steps(1_000))
    check(frames)
    assert told(frames) == sounds(*range(1_000))
    assert [frame.reach for frame in frames[20:]] == [depth or 0] * 980
    assert uplink.missing(20.0) == []


def test_red_goes_on_as_it_came() -> None:
    speaker = Speaker(2)
    steps = speaker.steps(5)
    frames = run(Uplink(OPUS_PT, RED_PT, False), steps)
    assert [frame.red for frame in frames[1:]] == [packet.payload for packet, _ in steps[1:]]
    assert frames[0].red is None


def test_red_gets_the_payload_type_that_listeners_know() -> None:
    speaker = Speaker(2)
    speaker.opus = 96
    frames = run(Uplink(96, RED_PT, False), speaker.steps(5))
    check(frames)
    assert [frame.reach for frame in frames] == [0, 1, 2, 2, 2]


@pytest.mark.parametrize("nack", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_70_000_packets_across_the_wrap_with_loss(depth: int, nack: bool) -> None:
    dice = random.Random(70_000 + depth)
    uplink = Uplink(OPUS_PT, RED_PT, nack)
    speaker = Speaker(depth)
    steps = speaker.steps(70_000)
    arrived = {number for number in range(70_000) if number == 0 or dice.random() >= 0.05}
    frames: list[Frame] = []
    highest = -1
    for number in sorted(arrived):
        got = uplink.receive(*steps[number])
        # Without an answer to NACK all is in order; what RED of a later packet brings for a kept number comes late.
        for frame in got:
            if frame.number > highest:
                highest = frame.number
            else:
                assert nack
        frames += got
    by_number = check(frames)
    had = {number for number in range(70_000) if any(number + back in arrived for back in range(depth + 1))}
    assert sorted(frame.opus for frame in frames) == sorted(b"sound %d" % number for number in had)
    assert all(frame.timestamp == int(frame.opus[6:]) * PACKET_TICKS for frame in frames)
    whole = {b"sound %d" % number for number in arrived if number >= depth}
    assert all(frame.reach == depth for frame in frames if frame.opus in whole), "no block of RED is dropped"
    assert uplink.counts.rebuilt == len(had) - len(arrived)
    assert uplink.counts.rebased == 0
    left_out = list(gaps(by_number))
    if nack:
        assert 0 < len(left_out) <= KEPT_PACKETS * (GAPS_BURST + 1_400 * GAPS_PER_SECOND)
    else:
        assert left_out == []
        assert uplink.counts.lost == max(arrived) + 1 - len(had)


def test_rebuilds_before_the_packet_that_brought_it() -> None:
    steps = Speaker(2).steps(6)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    run(uplink, steps[:2])
    assert [frame.opus for frame in uplink.receive(*steps[4])] == [b"sound 2", b"sound 3", b"sound 4"]
    assert uplink.receive(*steps[3]) == []
    assert uplink.missing(1.0) == []
    assert (uplink.counts.rebuilt, uplink.counts.old) == (2, 1)


def test_closes_a_gap_of_a_speaker_without_red() -> None:
    steps = Speaker(None).steps(6)
    for uplink in (Uplink(OPUS_PT, None, True), Uplink(OPUS_PT, RED_PT, False)):
        frames = run(uplink, [*steps[:2], *steps[4:], steps[3]])
        assert told(frames) == sounds(0, 1, 4, 5)
        assert uplink.missing(1.0) == []
        assert (uplink.counts.lost, uplink.counts.old) == (2, 1)


def test_asks_for_what_red_did_not_bring() -> None:
    speaker = Speaker(1, sequence=65_534)
    steps = speaker.steps(8)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    uplink.round_trip = 0.05
    frames = run(uplink, [*steps[:1], steps[4]])
    assert [frame.number for frame in frames] == [0, 3, 4]
    assert uplink.missing(0.08) == [65_535, 0]
    assert uplink.missing(0.10) == []
    frames += uplink.receive(steps[2][0], 0.12)
    assert uplink.missing(0.14) == [65_535]
    assert uplink.missing(0.30) == []
    frames += uplink.receive(steps[1][0], 0.31)
    frames += run(uplink, steps[5:])
    check(frames)
    assert [(frame.number, frame.opus) for frame in sorted(frames, key=attrgetter("number"))] == [
        (n, b"sound %d" % n) for n in range(8)
    ]
    assert (uplink.counts.late, uplink.counts.rebuilt, uplink.counts.lost) == (2, 1, 0)


def test_gives_up_after_a_quarter_of_a_second() -> None:
    steps = Speaker(0).steps(20)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    run(uplink, [steps[0], steps[2]])
    assert uplink.missing(0.04) == [65_001]
    assert uplink.receive(steps[1][0], 0.041 + KEPT_SECONDS) == []
    assert uplink.missing(0.05 + KEPT_SECONDS) == []
    assert (uplink.counts.lost, uplink.counts.old) == (1, 1)
    assert uplink.receive(steps[3][0], 0.3)[0].number == 3, "its number is not given to another"


def test_keeps_no_long_gap_and_few_short_ones() -> None:
    steps = Speaker(0).steps(3_000)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    run(uplink, [steps[0], steps[KEPT_PACKETS + 2]])
    assert uplink.missing(0.1) == []
    frames = run(uplink, steps[6::2])
    assert len(list(gaps(frame.number for frame in frames))) - 2 <= GAPS_BURST + 60 * GAPS_PER_SECOND
    check(frames)


def test_what_claims_the_wrong_time_gets_no_number_that_was_kept() -> None:
    steps = Speaker(0).steps(3)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, [steps[0], steps[2]])
    late = steps[1][0]
    for shift in (-PACKET_TICKS, PACKET_TICKS, 2**31):
        wrong = RtpPacket(
            False, OPUS_PT, late.sequence, (late.timestamp + shift) & 0xFFFFFFFF, late.ssrc, None, None, b"x"
        )
        assert uplink.receive(wrong, 0.05) == []
    frames += uplink.receive(late, 0.05)
    check(frames)
    assert told(sorted(frames, key=attrgetter("number"))) == sounds(0, 1, 2)


def changed(packet: RtpPacket, *, ticks: int = 0, opus: bytes = b"changed") -> RtpPacket:
    timestamp = (packet.timestamp + ticks) & 0xFFFFFFFF
    return RtpPacket(packet.marker, OPUS_PT, packet.sequence, timestamp, packet.ssrc, None, None, opus)


def test_kept_numbers_are_filled_in_the_order_of_time() -> None:
    steps = Speaker(0).steps(5)
    for order in ([1, 2, 3], [3, 2, 1], [2, 3, 1]):
        uplink = Uplink(OPUS_PT, RED_PT, True)
        frames = run(uplink, [steps[0], steps[4]])
        first, *others = order
        frames += uplink.receive(steps[first][0], 0.1)
        for other in others:
            beyond = (first - other) * PACKET_TICKS
            assert uplink.receive(changed(steps[other][0], ticks=beyond), 0.1) == [], "the time of another"
        for other in others:
            frames += uplink.receive(steps[other][0], 0.1)
        check(frames)
        assert told(sorted(frames, key=attrgetter("number"))) == sounds(*range(5))


def test_a_kept_number_lies_before_what_was_rebuilt_behind_it() -> None:
    steps = Speaker(1).steps(4)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, [steps[0], steps[3]])
    assert [frame.number for frame in frames] == [0, 2, 3]
    assert uplink.receive(changed(steps[1][0], ticks=PACKET_TICKS + 1), 0.1) == []
    frames += uplink.receive(steps[1][0], 0.1)
    assert told(sorted(frames, key=attrgetter("number"))) == sounds(*range(4))


def test_the_red_of_a_later_packet_fills_a_kept_number() -> None:
    steps = Speaker(2).steps(6)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    bare, now = steps[3]
    frames = run(uplink, [steps[0], (changed(bare, opus=b"sound 3"), now)])
    assert uplink.missing(now) == [65_001, 65_002]
    got = uplink.receive(*steps[4])
    assert [(frame.number, frame.reach) for frame in got] == [(2, 0), (4, 2)]
    check([*frames, *got, *uplink.receive(*steps[5])])
    assert uplink.counts.rebuilt == 1


def test_red_goes_back_to_what_came_late() -> None:
    steps = Speaker(3).steps(5)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, [steps[0], (changed(steps[2][0], opus=b"sound 2"), 0.04), (steps[1][0], 0.05), steps[3]])
    check(frames)
    assert [(frame.number, frame.reach) for frame in frames] == [(0, 0), (2, 0), (1, 0), (3, 3)]
    assert uplink.counts.late == 1


def test_what_comes_very_late_hides_nothing_newer() -> None:
    speaker = Speaker(9)
    packets = [packet for packet, _ in speaker.steps(60)]
    uplink = Uplink(OPUS_PT, RED_PT, True)
    plain = [changed(packet, opus=b"sound %d" % number) for number, packet in enumerate(packets)]
    frames = run(uplink, [(packet, 0.0) for packet in [plain[0], *plain[2:42], plain[1], *packets[42:]]])
    check(frames)
    assert [frame.reach for frame in frames if frame.red] == [9] * 18


@pytest.mark.parametrize("lost", [0, 1])
def test_red_of_short_packets_reaches_no_further_back_than_is_known(lost: int) -> None:
    ticks = PACKET_TICKS // 2
    last = 41
    uplink = Uplink(OPUS_PT, RED_PT, True)
    for number in range(last - lost):
        uplink.receive(RtpPacket(False, OPUS_PT, number, number * ticks, 1, None, None, b"sound"), 0.0)
    far = red.build([Block(OPUS_PT, 33 * ticks, b"sound"), Block(OPUS_PT, 0, b"now")])
    frames = uplink.receive(RtpPacket(False, RED_PT, last, last * ticks, 1, None, None, far), 0.0)
    assert frames == [Frame(last, last * ticks, False, b"now")]


def test_a_number_kept_in_one_stream_is_not_filled_by_another() -> None:
    speaker = Speaker(0)
    steps = speaker.steps(3)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    run(uplink, [steps[0], steps[2]])
    speaker.ssrc += 1
    assert [frame.number for frame in uplink.receive(speaker.next(), 0.06)] == [3]
    late = steps[1][0]
    other = RtpPacket(False, OPUS_PT, late.sequence, late.timestamp, speaker.ssrc, None, None, b"sound 1")
    assert uplink.receive(other, 0.07) == []
    assert uplink.missing(0.07) == []
    assert (uplink.counts.lost, uplink.counts.old) == (1, 1)


def test_some_doubles_after_silence_are_no_new_stream() -> None:
    steps = Speaker(1).steps(20)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    run(uplink, steps)
    assert run(uplink, [(packet, 0.38 + OLD_SECONDS) for packet, _ in steps[-9:]]) == []
    assert (uplink.counts.old, uplink.counts.rebased) == (9, 0)


def test_more_blocks_than_packets_are_missing_add_none() -> None:
    speaker = Speaker(None)
    uplink = Uplink(OPUS_PT, RED_PT, False)
    frames = run(uplink, speaker.steps(3))
    lost = speaker.next()
    blocks = [Block(OPUS_PT, offset, b"%d" % offset) for offset in (900, 600, 300)]
    payload = red.build([*blocks, Block(OPUS_PT, 0, b"now")])
    frames += uplink.receive(
        RtpPacket(False, RED_PT, speaker.sequence, (lost.timestamp + 100) & 0xFFFFFFFF, 1, None, None, payload), 0.1
    )
    check(frames)
    assert [frame.opus for frame in frames[3:]] == [b"300", b"now"]
    assert uplink.counts.lost == 0


def test_blocks_that_are_not_the_speakers_opus_go_nowhere() -> None:
    speaker = Speaker(None)
    speaker.opus = 96
    uplink = Uplink(96, RED_PT, False)
    run(uplink, speaker.steps(3))
    payload = red.build([Block(OPUS_PT, 960, b"sound 2"), Block(96, 0, b"now")])
    packet = RtpPacket(False, RED_PT, speaker.sequence, speaker.timestamp, 1, None, None, payload)
    assert uplink.receive(packet, 0.1) == [Frame(3, 3 * PACKET_TICKS, False, b"now")]


def test_silence_is_no_loss() -> None:
    speaker = Speaker(2)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, speaker.steps(3))
    speaker.timestamp = (speaker.timestamp + 9 * PACKET_TICKS) & 0xFFFFFFFF
    frames += uplink.receive(speaker.next(), 0.24)
    speaker.timestamp = (speaker.timestamp + 19 * PACKET_TICKS) & 0xFFFFFFFF
    frames += uplink.receive(speaker.next(marker=True), 0.64)
    check(frames)
    assert [frame.timestamp // PACKET_TICKS for frame in frames] == [0, 1, 2, 12, 32]
    assert [frame.number for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.reach for frame in frames] == [0, 1, 2, 2, 0], "sound of 400 ms ago does not fit into 14 bits"
    assert [frame.marker for frame in frames] == [True, False, False, False, True]
    assert uplink.counts.lost == uplink.counts.rebased == 0


def test_loss_at_the_edge_of_silence() -> None:
    speaker = Speaker(1)
    uplink = Uplink(OPUS_PT, RED_PT, False)
    frames = run(uplink, speaker.steps(2))
    speaker.timestamp = (speaker.timestamp + 9 * PACKET_TICKS) & 0xFFFFFFFF
    speaker.next()
    frames += uplink.receive(speaker.next(), 0.26)
    check(frames)
    assert [frame.timestamp // PACKET_TICKS for frame in frames] == [0, 1, 11, 12]


def new_ssrc(speaker: Speaker) -> None:
    speaker.ssrc += 1


def far_ahead(speaker: Speaker) -> None:
    speaker.sequence = (speaker.sequence + JUMP_PACKETS) & 0xFFFF


def far_back(speaker: Speaker) -> None:
    speaker.sequence = (speaker.sequence - JUMP_PACKETS - 2) & 0xFFFF


def another_time(speaker: Speaker) -> None:
    speaker.timestamp = (speaker.timestamp + JUMP_TICKS) & 0xFFFFFFFF


def back_in_time(speaker: Speaker) -> None:
    speaker.timestamp = (speaker.timestamp - 2 * PACKET_TICKS) & 0xFFFFFFFF


@pytest.mark.parametrize("jump", [new_ssrc, far_ahead, far_back, another_time, back_in_time])
@pytest.mark.parametrize(("pause", "ticks"), [(0.001, PACKET_TICKS), (2.0, 2 * CLOCK), (1e9, 1 << 30)])
def test_a_new_stream_goes_on_in_number_and_time(jump: Callable[[Speaker], None], pause: float, ticks: int) -> None:
    speaker = Speaker(2)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, speaker.steps(5))
    jump(speaker)
    now = 4 * PACKET + pause
    again = [frame for number in range(4) for frame in uplink.receive(speaker.next(), now + number * PACKET)]
    check(frames + again)
    assert [frame.number for frame in again] == [5, 6, 7, 8]
    assert again[0].timestamp - frames[-1].timestamp == pytest.approx(ticks, abs=1)
    assert [frame.reach for frame in again] == [0, 1, 2, 2], "nothing from before"
    assert [frame.marker for frame in again] == [True, False, False, False]
    assert uplink.counts.rebased == 1


def test_nothing_from_before_a_mute_is_rebuilt_after_it() -> None:
    speaker = Speaker(2)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, speaker.steps(5))
    speaker.next()
    uplink.break_off()
    again = [frame for number in range(3) for frame in uplink.receive(speaker.next(), 0.12 + number * PACKET)]
    check(frames + again)
    assert [frame.opus for frame in again] == [b"sound 6", b"sound 7", b"sound 8"]
    assert [frame.reach for frame in again] == [0, 1, 2]


def test_one_hostile_jump_and_back() -> None:
    speaker = Speaker(1)
    steps = speaker.steps(200)
    jumped, now = steps[100]
    hostile = RtpPacket(
        False, OPUS_PT, (jumped.sequence + 40_000) & 0xFFFF, 12_345, jumped.ssrc, None, None, b"hostile"
    )
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, [*steps[:100], (hostile, now), *steps[101:]])
    check(frames)
    assert [frame.number for frame in frames] == list(range(200)), "whoever listens has not lost anything"
    assert uplink.counts.rebased == 2


def test_a_jump_within_a_gaps_length_deafens_for_half_a_second_at_most() -> None:
    speaker = Speaker(1)
    steps = speaker.steps(200)
    jumped, now = steps[100]
    hostile = RtpPacket(
        False, OPUS_PT, (jumped.sequence + 400) & 0xFFFF, jumped.timestamp, jumped.ssrc, None, None, b"hostile"
    )
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, [*steps[:100], (hostile, now), *steps[101:]])
    check(frames)
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert 0 < uplink.counts.old == 200 - len(frames) <= OLD_SECONDS / PACKET


def test_alternating_streams_are_few_per_second() -> None:
    speakers = [Speaker(1), Speaker(1)]
    speakers[1].ssrc = 2
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, [(speakers[number % 2].next(), number * PACKET) for number in range(500)])
    check(frames)
    assert uplink.counts.rebased <= REBASES_PER_SECOND * 11
    assert uplink.counts.refused > 100
    assert [frame.number for frame in frames] == list(range(len(frames)))


def test_replayed_packets_are_dropped() -> None:
    steps = Speaker(1).steps(100)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, steps[:50])
    for place in range(50, 100):
        packet, now = steps[place]
        frames += uplink.receive(packet, now)
        frames += run(uplink, [(replayed, now + 0.01) for replayed, _ in steps[place - 40 : place + 1]])
    check(frames)
    assert told(frames) == sounds(*range(100))
    assert uplink.counts.old == 50 * 41


def test_one_packet_again_and_again_is_dropped() -> None:
    steps = Speaker(1).steps(10)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    run(uplink, steps)
    assert run(uplink, steps[-1:] * 1_000) == []
    assert uplink.counts.old == 1_000


@pytest.mark.parametrize(
    ("payload_type", "payload", "counted"),
    [
        (0, b"sound", "foreign"),
        (RED_PT, b"\x00sound", "foreign"),
        (RED_PT, b"", "malformed"),
        (RED_PT, b"\xef", "malformed"),
        (RED_PT, b"\x6f", "empty"),
        (OPUS_PT, b"", "empty"),
    ],
)
def test_what_is_no_sound_is_dropped_and_is_no_loss(payload_type: int, payload: bytes, counted: str) -> None:
    speaker = Speaker(1)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    first = speaker.next()
    for ahead in (0, 1, 2, 30_000):
        packet = RtpPacket(
            False, payload_type, (first.sequence + ahead) & 0xFFFF, first.timestamp, 1, None, None, payload
        )
        assert uplink.receive(packet, 0.0) == []
    frames = uplink.receive(first, 0.0)
    speaker.sequence = (speaker.sequence + 1) & 0xFFFF
    dropped = RtpPacket(False, payload_type, (first.sequence + 1) & 0xFFFF, 77, 1, None, None, payload)
    assert uplink.receive(dropped, 0.01) == []
    frames += uplink.receive(speaker.next(), 0.02)
    assert told(frames) == sounds(0, 1)
    assert getattr(uplink.counts, counted) == 5
    assert (uplink.counts.lost, uplink.counts.rebased) == (0, 0)
    assert uplink.missing(0.03) == []


@pytest.mark.parametrize(
    ("blocks", "offsets"),
    [
        ([(111, 960, b"")], []),
        ([(111, 961, b"sound 4")], []),
        ([(111, 0, b"sound 4")], []),
        ([(110, 960, b"sound 4")], []),
        ([(111, 1_920, b"sound 3"), (0, 960, b"sound 4")], [1_920]),
        ([(111, 2_880, b"sound 2"), (111, 1_920, b""), (111, 960, b"sound 4")], [2_880, 960]),
        ([(111, 960, b"sound 4"), (111, 1_920, b"sound 3")], [960]),
        ([(111, 960, b"sound 4"), (111, 960, b"sound 4")], [960]),
        ([(111, 3 * 960, b"sound 2")], [2_880]),
        ([(111, 6 * 960, b"before the beginning")], []),
    ],
)
def test_only_red_that_stands_for_something_goes_on(blocks: list[tuple[int, int, bytes]], offsets: list[int]) -> None:
    speaker = Speaker(None)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = run(uplink, speaker.steps(5))
    payload = red.build([*(Block(*block) for block in blocks), Block(OPUS_PT, 0, b"now")])
    frames += uplink.receive(RtpPacket(False, RED_PT, speaker.sequence, speaker.timestamp, 1, None, None, payload), 0.1)
    check(frames)
    assert frames[-1].opus == b"now"
    there = [] if frames[-1].red is None else [block.offset for block in red.parse(frames[-1].red)[:-1]]
    assert there == offsets


def test_the_clock_of_the_source_goes_on() -> None:
    uplink = Uplink(OPUS_PT, None, False)
    run(uplink, Speaker(None).steps(11))
    assert uplink.source_clock(0.2) == 10 * PACKET_TICKS
    assert uplink.source_clock(0.7) == pytest.approx(10 * PACKET_TICKS + CLOCK // 2, abs=1)
    assert uplink.source_clock(0.1) == 10 * PACKET_TICKS


line = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 40)),
        st.tuples(st.just("lose"), st.integers(1, 6)),
        st.tuples(st.just("lose"), st.integers(490, 510)),
        st.tuples(st.just("again"), st.integers(0, 60)),
        st.tuples(st.just("hold"), st.integers(1, 8)),
        st.tuples(st.just("held"), st.just(0)),
        st.tuples(st.just("silence"), st.integers(0, 700)),
        st.tuples(st.just("sequence"), st.integers(0, 65_535)),
        st.tuples(st.just("time"), st.integers(0, 2**32 - 1)),
        st.tuples(st.just("ssrc"), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.integers(0, 1_000)),
        st.tuples(st.just("answer"), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(line, st.sampled_from([None, 0, 1, 2, 9]), st.booleans(), st.sampled_from([OPUS_PT, 96]))
def test_whatever_a_line_does_the_row_stays_whole(
    does: list[tuple[str, int]], depth: int | None, nack: bool, opus: int
) -> None:
    speaker = Speaker(depth)
    speaker.opus = opus
    uplink = Uplink(opus, None if depth is None else RED_PT, nack)
    now = 0.0
    sent: list[RtpPacket] = []
    held: list[RtpPacket] = []
    frames: list[Frame] = []
    asked: dict[int, int] = {}
    for what, number in does:
        arriving: list[RtpPacket] = []
        match what:
            case "send":
                arriving = [speaker.next() for _ in range(number)]
            case "lose":
                sent += [speaker.next() for _ in range(number)]
            case "again":
                arriving = sent[-number - 1 :][: number // 3 + 1]
            case "hold":
                held += [speaker.next() for _ in range(number)]
            case "held":
                arriving, held = held[::-1], []
            case "silence":
                speaker.timestamp = (speaker.timestamp + number * PACKET_TICKS) & 0xFFFFFFFF
            case "sequence":
                speaker.sequence = number
            case "time":
                speaker.timestamp = number
            case "ssrc":
                speaker.ssrc = number
            case "wait":
                now += number / 1_000
            case "answer":
                wanted = uplink.missing(now)
                assert len(wanted) <= KEPT_PACKETS * (GAPS_BURST + 1)
                for sequence in wanted:
                    asked[sequence] = asked.get(sequence, 0) + 1
                arriving = [packet for packet in sent[-20:] if packet.sequence in wanted]
        for packet in arriving:
            got = uplink.receive(packet, now)
            assert len(got) <= MOST_BLOCKS
            frames += got
            now += PACKET if what == "send" else 0.001
        sent += arriving
    by_number = check_line(frames, honest="time" not in dict(does))
    left_out = len(list(gaps(by_number)))
    assert left_out <= (KEPT_PACKETS * (GAPS_BURST + now * GAPS_PER_SECOND) if nack and depth is not None else 0)
    assert uplink.counts.rebased <= REBASES_PER_SECOND * (now + 1)


def check_line(frames: list[Frame], *, honest: bool) -> dict[int, Frame]:
    """`check`, and: what is not above all numbers before it takes one that was left out."""
    left_out: set[int] = set()
    highest = -1
    for frame in frames:
        if frame.number > highest:
            left_out |= set(range(highest + 1, frame.number))
            highest = frame.number
        else:
            assert frame.number in left_out
            left_out.remove(frame.number)
    return check(frames, honest=honest)


@settings(max_examples=300)
@given(
    st.lists(
        st.builds(
            RtpPacket,
            st.booleans(),
            st.sampled_from([OPUS_PT, RED_PT, 0]),
            st.integers(0, 6) | st.integers(0, 65_535),
            st.integers(0, 6).map(lambda place: place * PACKET_TICKS) | st.integers(0, 2**32 - 1),
            st.integers(1, 2),
            st.none(),
            st.none(),
            st.binary(max_size=40)
            | st.builds(
                lambda offsets: red.build(
                    [*(Block(OPUS_PT, each, b"old") for each in offsets), Block(OPUS_PT, 0, b"x")]
                ),
                st.lists(st.integers(0, 6).map(lambda place: place * PACKET_TICKS), max_size=4),
            ),
        ),
        max_size=40,
    )
)
def test_any_packets_make_a_whole_row(packets: list[RtpPacket]) -> None:
    uplink = Uplink(OPUS_PT, RED_PT, True)
    frames = [frame for place, packet in enumerate(packets) for frame in uplink.receive(packet, place * 0.1)]
    numbers = [frame.number for frame in frames]
    assert len(set(numbers)) == len(numbers)
    ordered = sorted(frames, key=attrgetter("number"))
    assert all(a.timestamp < b.timestamp for a, b in pairwise(ordered))
    assert all(frame.red is None or red.parse(frame.red)[-1].payload == frame.opus for frame in frames)
