"""A process offers others its own loudest, and says of each frame what is needed to hear it."""

from __future__ import annotations

from uuid import uuid4

from media_sfu.frame import Frame
from media_sfu.relay.offering import Offering
from media_sfu.relay.packet import RelayPacket, parse
from media_sfu.rtp import RtpPacket
from media_sfu.source import Source

ROOM = uuid4().bytes


class Stage:
    def __init__(self, slots: int = 2) -> None:
        self.sent: list[RelayPacket] = []
        self.offering = Offering(ROOM, slots, lambda data: self.sent.append(parse(data)))
        self.sources: dict[int, Source] = {}
        self.now = 100.0
        self.frame = 0

    def say(self, number: int, level: int | None, *, red: bytes | None = None, opus: bytes = b"sound" * 10) -> None:
        source = self.sources.setdefault(number, Source(number))
        payload = red or opus
        packet = RtpPacket(False, 111, self.frame & 0xFFFF, self.frame * 960, 5, level, level is not None, payload)
        frame = Frame(self.frame, self.frame * 960, False, opus, red, 1 if red else 0)
        self.offering.said(source, packet, [frame], self.now)

    def talk(self, levels: dict[int, int | None], seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            self.frame += 1
            for number, level in levels.items():
                # A level that never varies is not taken for speech.
                self.say(number, level if level is None else level + self.frame % 5)
            self.now += 0.02
            self.offering.step(self.now)


def test_no_more_than_the_listeners_have_slots_for_are_sent() -> None:
    stage = Stage(slots=2)
    stage.talk({1: 40, 2: 20, 3: 22, 4: 45}, 1.0)
    stage.sent.clear()
    stage.talk({1: 40, 2: 20, 3: 22, 4: 45}, 1.0)
    assert {packet.participant for packet in stage.sent} == {2, 3}
    assert len(stage.sent) == 100


def test_a_packet_says_what_the_frame_is() -> None:
    stage = Stage(slots=1)
    stage.talk({1: 20}, 0.1)
    first = stage.sent[-1]
    assert (first.room, first.participant, first.red, first.sound) == (ROOM, 1, False, b"sound" * 10)
    assert (first.number, first.timestamp) == (stage.frame, stage.frame * 960)
    assert first.level == 20 + stage.frame % 5
    assert first.voice is True
    stage.say(1, 20, red=b"redundant")
    assert (stage.sent[-1].red, stage.sent[-1].sound) == (True, b"redundant")


def test_red_that_does_not_fit_is_left_out() -> None:
    stage = Stage(slots=1)
    stage.talk({1: 20}, 0.1)
    stage.say(1, 20, red=bytes(1_300))
    assert not stage.sent[-1].red
    count = len(stage.sent)
    stage.say(1, 20, opus=bytes(1_300))
    assert len(stage.sent) == count
    assert stage.offering.too_large == 1


def test_without_level_it_says_so() -> None:
    stage = Stage(slots=1)
    stage.talk({1: None}, 0.2)
    assert (stage.sent[-1].level, stage.sent[-1].voice) == (None, None)


def test_another_connection_of_somebody_is_another_stream() -> None:
    stage = Stage(slots=1)
    stage.talk({1: 20}, 0.1)
    before = {packet.stream for packet in stage.sent}
    assert len(before) == 1
    stage.sources.clear()
    stage.talk({1: 20}, 0.1)
    assert len({packet.stream for packet in stage.sent}) == 2


def test_who_is_gone_is_not_sent_until_they_speak_again() -> None:
    stage = Stage(slots=1)
    stage.talk({1: 20}, 0.5)
    stage.offering.gone(1)
    assert stage.offering.chosen == ()
    assert stage.sent
    stage.sent.clear()
    stage.talk({2: 20}, 0.5)
    assert {packet.participant for packet in stage.sent} == {2}


def test_pilot_and_sensei_are_preferred_and_marked() -> None:
    stage = Stage(slots=1)
    stage.offering.prefer([2])
    stage.talk({1: 20, 2: 20}, 1.0)
    assert stage.offering.chosen == (2,)
    assert stage.sent[-1].preferred
    stage.offering.prefer([])
    stage.talk({2: 20}, 0.1)
    assert not stage.sent[-1].preferred
