"""Whatever comes up, listeners get one gapless row of numbers and one clock."""

from __future__ import annotations

from itertools import pairwise
from operator import attrgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_sfu import red
from media_sfu.frame import CLOCK, OPUS_PT, PACKET_TICKS, Frame
from media_sfu.red import MOST_BLOCKS, Block
from media_sfu.rtp import RtpPacket
from media_sfu.uplink import GAPS_BURST, GAPS_PER_SECOND, KEPT_PACKETS, REBASES_PER_SECOND, Uplink
from tests.media_sfu.speaking_browser import PACKET, RED_PT, Speaker, check, gaps, run, sounds, told


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
