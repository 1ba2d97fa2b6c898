"""New streams, jumps and replays: the row goes on in number and time, and what came before is not told again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from media_sfu.frame import CLOCK, OPUS_PT, PACKET_TICKS
from media_sfu.rtp import RtpPacket
from media_sfu.uplink import JUMP_PACKETS, JUMP_TICKS, OLD_SECONDS, REBASES_PER_SECOND, Uplink
from tests.media_sfu.speaking_browser import PACKET, RED_PT, Speaker, check, run, sounds, told


def test_some_doubles_after_silence_are_no_new_stream() -> None:
    steps = Speaker(1).steps(20)
    uplink = Uplink(OPUS_PT, RED_PT, True)
    run(uplink, steps)
    assert run(uplink, [(packet, 0.38 + OLD_SECONDS) for packet, _ in steps[-9:]]) == []
    assert (uplink.counts.old, uplink.counts.rebased) == (9, 0)


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
