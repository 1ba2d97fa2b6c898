from __future__ import annotations

import os

from media_sfu.frame import Frame
from media_sfu.leg import Leg
from media_sfu.slot import NEVER, Slot
from media_sfu.source import Source
from media_sfu.srtp import AEAD_AES_128_GCM, Outbound


def leg() -> Leg:
    return Leg(Outbound(os.urandom(28), AEAD_AES_128_GCM), None)


def slot() -> Slot:
    return Slot(7, opus=111, red=None, first_sequence=100)


def frame(number: int) -> Frame:
    return Frame(number, number * 960, False, b"sound")


def test_a_slot_begins_with_the_next_frame() -> None:
    source, one = Source(5), slot()
    heard = [source.heard]
    source.attach(one, leg())
    heard.append(source.heard)
    assert heard == [False, True]
    assert (source.targets, one.first_number) == ({}, NEVER)
    source.history.add(frame(40), 1.0)
    source.begin(frame(40), 1.0)
    assert list(source.targets) == [one]
    assert not source.starting
    assert one.next(frame(40))[0] == 100


def test_a_slot_leaves_at_once_whether_it_has_begun_or_not() -> None:
    source, one, other = Source(5), slot(), slot()
    source.attach(one, leg())
    source.begin(frame(1), 1.0)
    source.attach(other, leg())
    source.detach(other)
    source.detach(one)
    assert not source.heard
    assert one.source is other.source is None
    source.detach(one)  # again does nothing
    assert not source.heard


def test_a_slot_goes_from_one_source_to_the_next_without_a_gap() -> None:
    first, second, one, way = Source(5), Source(6), slot(), leg()
    first.attach(one, way)
    for number in range(3):
        first.history.add(frame(number), number * 0.02)
        if first.starting:
            first.begin(frame(number), 0.0)
    assert one.last_sequence == 102
    first.detach(one)
    second.attach(one, way)
    second.history.add(frame(900), 0.06)
    second.begin(frame(900), 0.06)
    assert one.next(frame(900))[0] == 103
