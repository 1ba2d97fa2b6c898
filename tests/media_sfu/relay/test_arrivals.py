"""What comes from other processes is a source like any other: gapless, one process at a time, and with an end."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from media_sfu.frame import Frame
from media_sfu.relay.arrivals import END_SECONDS, MOST_SPEAKERS, MOVE_SECONDS, Arrivals
from media_sfu.relay.packet import RelayPacket
from media_sfu.rtp import RtpPacket

FIRST = RelayPacket(
    room=bytes(16), participant=7, stream=1, level=30, voice=True, preferred=True, marker=False, red=False,
    number=(1 << 33) + 65_530, timestamp=1 << 34, sound=b"sound",
)  # fmt: skip


class Listener:
    def __init__(self, here: Sequence[int] = ()) -> None:
        self.here = here
        self.heard: list[tuple[int, int | None, bool]] = []
        self.frames: list[Frame] = []
        self.ended: list[int] = []

    def relayed(self, number: int, packet: RtpPacket, frames: Sequence[Frame], now: float, *, preferred: bool) -> bool:
        if number in self.here:
            return False
        self.heard.append((number, packet.level, preferred))
        self.frames += frames
        return True

    def unrelayed(self, number: int) -> None:
        self.ended.append(number)


def later(packet: RelayPacket, frames: int) -> RelayPacket:
    return msgspec.structs.replace(
        packet, number=packet.number + frames, timestamp=packet.timestamp + 960 * frames, sound=b"%d" % frames
    )


def test_a_stream_goes_on_gapless_across_the_wrap_of_sequence_numbers() -> None:
    listener = Listener()
    arrivals = Arrivals(listener)
    for step in range(20):
        arrivals.take("a", later(FIRST, step), 5.0 + step * 0.02)
    assert [frame.number for frame in listener.frames] == list(range(20))
    assert [b.timestamp - a.timestamp for a, b in zip(listener.frames, listener.frames[1:], strict=False)] == [960] * 19
    assert listener.heard == [(7, 30, True)] * 20
    assert (arrivals.taken, arrivals.speakers) == (20, {7: "a"})


def test_who_was_not_among_the_loudest_for_a_while_goes_on_without_a_gap() -> None:
    listener = Listener()
    arrivals = Arrivals(listener)
    arrivals.take("a", FIRST, 5.0)
    arrivals.take("a", later(FIRST, 40), 5.8)
    arrivals.take("a", later(FIRST, 40_000), 6.0)
    assert [frame.number for frame in listener.frames] == [0, 1, 2]
    stamps = [frame.timestamp for frame in listener.frames]
    assert stamps == sorted(set(stamps))


def test_another_connection_of_the_same_participant_goes_on_too() -> None:
    listener = Listener()
    arrivals = Arrivals(listener)
    arrivals.take("a", later(FIRST, 100), 5.0)
    arrivals.take("a", msgspec.structs.replace(FIRST, stream=2, number=0, timestamp=0), 5.1)
    assert [frame.number for frame in listener.frames] == [0, 1]
    assert listener.frames[1].timestamp > listener.frames[0].timestamp


def test_the_same_participant_is_taken_from_one_process_at_a_time() -> None:
    listener = Listener()
    arrivals = Arrivals(listener)
    arrivals.take("a", FIRST, 5.0)
    arrivals.take("b", msgspec.structs.replace(FIRST, stream=2), 5.02)
    assert (len(listener.frames), arrivals.doubled) == (1, 1)
    arrivals.take("b", later(msgspec.structs.replace(FIRST, stream=2), 1), 5.02 + MOVE_SECONDS)
    assert len(listener.frames) == 2
    assert arrivals.speakers == {7: "b"}


def test_who_is_here_is_not_taken_from_elsewhere() -> None:
    listener = Listener(here=[7])
    arrivals = Arrivals(listener)
    arrivals.take("a", FIRST, 5.0)
    assert (arrivals.taken, arrivals.doubled, arrivals.speakers) == (0, 1, {})
    arrivals.step(50.0)
    assert listener.ended == []


def test_who_is_not_heard_of_any_more_ends() -> None:
    listener = Listener()
    arrivals = Arrivals(listener)
    arrivals.take("a", FIRST, 5.0)
    arrivals.take("a", msgspec.structs.replace(FIRST, participant=8), 6.0)
    arrivals.step(5.0 + END_SECONDS)
    assert listener.ended == []
    arrivals.step(5.1 + END_SECONDS)
    assert listener.ended == [7]
    arrivals.close()
    assert listener.ended == [7, 8]
    assert arrivals.speakers == {}


def test_there_is_a_bound_to_speakers() -> None:
    listener = Listener()
    arrivals = Arrivals(listener)
    for number in range(1, MOST_SPEAKERS + 10):
        arrivals.take("a", msgspec.structs.replace(FIRST, participant=number), 5.0)
    assert len(arrivals.speakers) == MOST_SPEAKERS
    assert arrivals.surplus == 9


def test_red_that_cannot_be_read_forwards_nothing() -> None:
    listener = Listener()
    arrivals = Arrivals(listener)
    arrivals.take("a", msgspec.structs.replace(FIRST, red=True, sound=b"\xff"), 5.0)
    assert listener.frames == []
