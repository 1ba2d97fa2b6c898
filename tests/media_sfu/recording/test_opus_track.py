from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from media_sfu.recording.ogg import OpusPages
from media_sfu.recording.opus_packet import QUANTUM, RATE
from media_sfu.recording.opus_track import HOLD_SECONDS, Gap, OpusTrack, Piece
from tests.media_sfu.recording.sound import PACKET, bursts, decode, quiet, tone

BEGAN = 1_000.0
GRID = 60 * RATE
LINE_SECONDS = 0.05
"""How long a packet travels."""


class Speaker:
    """Says things to a track at times of its own clock, over a line."""

    def __init__(self, track: OpusTrack, *, first_timestamp: int = 123_456) -> None:
        self.track = track
        self.number = 0
        self.first_timestamp = first_timestamp
        self.pieces: list[Piece] = []

    def say(self, at: float, packets: tuple[bytes, ...], *, jitter: float = 0.0, lost: float = 0.0) -> None:
        """From `at` seconds after the beginning on, in order."""
        dice = random.Random(5)
        arrived = 0.0
        for index, opus in enumerate(packets):
            said = at + index * 0.02
            arrived = max(arrived, said + LINE_SECONDS + dice.uniform(0, jitter))
            if dice.random() >= lost:
                self.send(said, opus, arrived)

    def send(self, said: float, opus: bytes, arrived: float) -> None:
        timestamp = self.first_timestamp + round(said * RATE)
        self.track.push(self.number, timestamp, opus, BEGAN + arrived)
        self.number += 1
        self.pieces += self.track.release(BEGAN + arrived)

    def finish(self) -> bytes:
        self.pieces += self.track.release(BEGAN + 1e6, everything=True)
        return ogg(self.pieces)


def ogg(pieces: list[Piece]) -> bytes:
    pages = OpusPages(1, channels=1, pre_skip=0)
    return pages.headers() + b"".join(pages.pages((piece.opus, piece.samples) for piece in pieces))


def test_ten_minutes_of_silence_decode_aligned_and_so_does_speech_after_them() -> None:
    speaker = Speaker(OpusTrack(BEGAN, GRID))
    speaker.say(2.0, tone(1.0), jitter=0.03)
    speaker.say(603.0, tone(1.0), jitter=0.03)
    heard = decode(speaker.finish())
    first, second = bursts(heard)
    assert abs(first[0] - (2.0 + LINE_SECONDS)) < 0.02
    assert abs(second[0] - first[0] - 601.0) < 0.02
    assert abs(len(heard) / RATE - (604.0 + LINE_SECONDS)) < 0.02
    assert [(gap.position // RATE, round(gap.samples / RATE)) for gap in speaker.track.gaps] == [(0, 2), (3, 600)]


def test_the_same_with_dtx_and_a_clock_that_runs_too_fast() -> None:
    track = OpusTrack(BEGAN, GRID)
    speaker = Speaker(track)
    fast = 1.0002  # 200 ppm: 120 ms in ten minutes
    silent = min(quiet(2.0), key=len)
    speaker.say(0.0, tone(1.0))
    for n in range(1, 1_500):  # what a browser sends while nothing is said: a packet every 400 ms
        true = 1.0 + n * 0.4
        speaker.send(true * fast, silent, true + LINE_SECONDS)
    for index, opus in enumerate(tone(1.0)):
        true = 601.0 + index * 0.02
        speaker.send(true * fast, opus, true + LINE_SECONDS)
    first, second = bursts(decode(speaker.finish()))
    assert abs(second[0] - first[0] - 601.0) < 0.02
    assert track.counts.rebased == 0


def test_lost_packets_leave_their_time() -> None:
    speaker = Speaker(OpusTrack(BEGAN, GRID))
    speaker.say(0.0, tone(10.0), lost=0.2)
    heard = decode(speaker.finish())
    assert speaker.track.counts.packets < 450
    assert abs(len(heard) / RATE - (10.0 + LINE_SECONDS)) < 0.06
    assert [piece.samples for piece in speaker.pieces if len(piece.opus) > 2] == [PACKET] * speaker.track.counts.packets


def test_packets_out_of_order_are_put_in_order_for_200_ms() -> None:
    track = OpusTrack(BEGAN, GRID)
    sound = tone(1.0)
    order = [1, 0, 4, 3, 2, 9, 8, 7, 6, 5, *range(10, 50)]
    pieces: list[Piece] = []
    for step, index in enumerate(order):
        now = BEGAN + step * 0.02
        track.push(index, index * PACKET, sound[index], now)
        pieces += track.release(now)
    track.push(3, 3 * PACKET, sound[3], BEGAN + 1.0)
    track.push(49, 49 * PACKET, sound[49], BEGAN + 1.0)
    pieces += track.release(BEGAN + 2.0)
    assert [piece.opus for piece in pieces if len(piece.opus) > 2] == list(sound)
    assert (track.counts.late, track.counts.duplicate, track.counts.packets) == (1, 1, 50)


def test_a_packet_goes_200_ms_after_it_came_and_not_before() -> None:
    track = OpusTrack(BEGAN, GRID)
    track.push(0, 0, tone(0.1)[0], BEGAN + 5.0)
    assert track.release(BEGAN + 5.0 + HOLD_SECONDS - 0.001) == []
    assert track.release(BEGAN + 5.0 + HOLD_SECONDS + 0.001)[-1].opus == tone(0.1)[0]


def test_a_stalled_line_that_brings_everything_at_once_shifts_nothing() -> None:
    speaker = Speaker(OpusTrack(BEGAN, GRID))
    for index, opus in enumerate(tone(6.0)):
        said = index * 0.02
        speaker.send(said, opus, 4.0 if 2.0 <= said < 4.0 else said + LINE_SECONDS)
    heard = decode(speaker.finish())
    assert len(bursts(heard)) == 1
    assert abs(len(heard) / RATE - (6.0 + LINE_SECONDS)) < 0.02
    assert speaker.track.counts.rebased == 0


def test_timestamps_that_stood_still_in_a_pause_are_placed_by_the_clock() -> None:
    track = OpusTrack(BEGAN, GRID)
    pieces: list[Piece] = []
    for index, opus in enumerate(tone(1.0) + tone(1.0)):
        now = BEGAN + LINE_SECONDS + index * 0.02 + (30.0 if index >= 50 else 0.0)
        track.push(index, index * PACKET, opus, now)
        pieces += track.release(now)
    pieces += track.release(BEGAN + 99.0)
    first, second = bursts(decode(ogg(pieces)))
    assert abs(second[0] - first[0] - 31.0) < 0.02
    assert track.counts.rebased == 1


def test_timestamps_that_jump_ahead_are_placed_by_the_clock_too() -> None:
    track = OpusTrack(BEGAN, GRID)
    pieces: list[Piece] = []
    for index, opus in enumerate(tone(1.0) + tone(1.0)):
        now = BEGAN + LINE_SECONDS + index * 0.02 + (2.0 if index >= 50 else 0.0)
        track.push(index, index * PACKET + (9 * RATE if index >= 50 else 0), opus, now)
        pieces += track.release(now)
    pieces += track.release(BEGAN + 99.0)
    first, second = bursts(decode(ogg(pieces)))
    assert abs(second[0] - first[0] - 3.0) < 0.02
    assert len([piece for piece in pieces if len(piece.opus) > 2]) == 100


def test_a_reconnect_begins_its_numbers_and_timestamps_anew() -> None:
    track = OpusTrack(BEGAN, GRID)
    before = Speaker(track, first_timestamp=4_000_000_000)
    before.say(0.0, tone(2.0))
    track.source()
    after = Speaker(track, first_timestamp=17)
    after.say(8.0, tone(2.0))
    before.pieces += after.pieces
    first, second = bursts(decode(before.finish()))
    assert abs(second[0] - first[0] - 8.0) < 0.02
    assert abs(second[1] - second[0] - 2.0) < 0.2
    assert track.counts.late == 0


def test_silence_is_cut_at_the_grid() -> None:
    track = OpusTrack(BEGAN, RATE)
    speaker = Speaker(track)
    speaker.say(0.5 + QUANTUM / RATE, tone(0.1))
    speaker.say(4.25, tone(0.1))
    speaker.finish()
    starts = {piece.position for piece in speaker.pieces}
    assert {0, RATE, 2 * RATE, 3 * RATE, 4 * RATE} <= starts
    assert speaker.pieces[0].position == 0
    assert track.fill(5 * RATE)[-1].position < 5 * RATE == track.end


def test_who_joins_late_begins_at_the_grid() -> None:
    speaker = Speaker(OpusTrack(BEGAN, GRID))
    speaker.say(130.0, tone(0.5))
    heard = decode(speaker.finish())
    assert speaker.pieces[0].position == 120 * RATE
    assert abs(bursts(heard)[0][0] - (10.0 + LINE_SECONDS)) < 0.02


def test_more_sound_than_time_is_left_out_and_counted() -> None:
    track = OpusTrack(BEGAN, GRID)
    opus = tone(0.1)[0]
    for index in range(3_000):  # at three times the speed of time
        now = BEGAN + index * 0.02 / 3
        track.push(index, index * PACKET, opus, now)
        track.release(now)
    assert track.end is not None
    assert track.end < track.position(BEGAN + 20.0) + 2 * RATE
    assert track.counts.overrun > 1_000


def test_what_no_decoder_takes_is_counted_and_leaves_its_time() -> None:
    speaker = Speaker(OpusTrack(BEGAN, GRID))
    sound = tone(1.0)
    speaker.say(0.0, (*sound[:25], b"\xfb\x00", b"", b"\xf9abc", *sound[28:]))
    assert abs(len(decode(speaker.finish())) / RATE - (1.0 + LINE_SECONDS)) < 0.02
    assert speaker.track.counts.malformed == 3


def test_no_more_is_held_than_its_bound() -> None:
    track = OpusTrack(BEGAN, GRID)
    for number in range(2_000):
        track.push(number, number * PACKET, b"\xf8", BEGAN)
    assert track.counts.flooded == 2_000 - 512
    assert sum(piece.opus == b"\xf8" for piece in track.release(BEGAN + 1.0)) <= 512


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(-5, 600), st.integers(-(2**33), 2**33), st.sampled_from([b"\xf8", b"\x18a", b"\xe0", b""]),
            st.floats(0, 0.5), st.booleans(),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_whatever_comes_the_pieces_join_and_keep_to_the_clock(
    packets: list[tuple[int, int, bytes, float, bool]],
) -> None:
    track = OpusTrack(BEGAN, RATE)
    now, pieces = BEGAN, []
    for number, timestamp, opus, passed, another in packets:
        now += passed
        if another:
            track.source()
        track.push(number, timestamp, opus, now)
        pieces += track.release(now)
    pieces += track.release(now + 1.0)
    for before, after in pairwise(pieces):
        assert after.position == before.position + before.samples
    if pieces:
        assert pieces[0].position % RATE == 0
        assert pieces[-1].position <= track.position(now) + 2 * RATE
    assert all(isinstance(gap, Gap) for gap in track.gaps)
