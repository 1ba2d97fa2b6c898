"""What got lost on the way up: rebuilt from RED, asked for, filled in late, or its number given up."""

from __future__ import annotations

import random
from operator import attrgetter

import pytest

from media_sfu import red
from media_sfu.frame import OPUS_PT, PACKET_TICKS, Frame
from media_sfu.red import Block
from media_sfu.rtp import RtpPacket
from media_sfu.uplink import GAPS_BURST, GAPS_PER_SECOND, KEPT_PACKETS, KEPT_SECONDS, Uplink
from tests.media_sfu.speaking_browser import RED_PT, Speaker, check, gaps, run, sounds, told


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


def test_loss_at_the_edge_of_silence() -> None:
    speaker = Speaker(1)
    uplink = Uplink(OPUS_PT, RED_PT, False)
    frames = run(uplink, speaker.steps(2))
    speaker.timestamp = (speaker.timestamp + 9 * PACKET_TICKS) & 0xFFFFFFFF
    speaker.next()
    frames += uplink.receive(speaker.next(), 0.26)
    check(frames)
    assert [frame.timestamp // PACKET_TICKS for frame in frames] == [0, 1, 11, 12]
