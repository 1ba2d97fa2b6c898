"""Who else has the room open, and whether a message of theirs is missing."""

from __future__ import annotations

from uuid import UUID

from collab_core.bus.messages import Origin
from collab_core.bus.origins import ORIGINS_REMEMBERED, Heard, Origins

ANA, BEN = Origin(UUID(int=1), 1), Origin(UUID(int=2), 1)


def test_whoever_says_something_is_known_until_they_leave() -> None:
    origins = Origins()
    assert (len(origins), origins.last_heard) == (0, float("-inf"))
    heard = origins.hear(ANA, 10.0)
    assert heard == Heard(10.0)
    origins.hear(BEN, 11.0)
    assert origins.hear(ANA, 12.0) is heard
    assert (heard.at, origins.last_heard) == (12.0, 12.0)
    assert ANA in origins
    assert [origin for origin, _ in origins] == [BEN, ANA]
    origins.leave(ANA)
    origins.leave(ANA)
    assert ANA not in origins
    assert [origin for origin, _ in origins] == [BEN]
    assert origins.last_heard == 12.0


def test_a_room_opened_again_is_another_origin() -> None:
    origins = Origins()
    origins.hear(ANA, 1.0).number = 9
    assert origins.hear(Origin(ANA.epoch, 2), 2.0).number == 0
    assert len(origins) == 2


def test_numbers_in_a_row_lack_nothing() -> None:
    heard = Heard(0.0)
    assert [Origins.follows(heard, number) for number in (1, 2, 3)] == [True, True, True]
    assert heard.number == 3


def test_a_number_left_out_is_missed_once() -> None:
    heard = Heard(0.0)
    assert [Origins.follows(heard, number) for number in (1, 3, 4, 10, 11)] == [True, False, True, False, True]


def test_what_comes_late_or_twice_is_not_missed_again() -> None:
    heard = Heard(0.0)
    assert [Origins.follows(heard, number) for number in (1, 3, 2, 3, 4)] == [True, False, True, True, True]
    assert heard.number == 4


def test_of_one_just_met_nothing_is_missing() -> None:
    heard = Heard(0.0)
    assert Origins.follows(heard, 500)
    assert not Origins.follows(heard, 502)


def test_the_one_not_heard_for_longest_is_forgotten() -> None:
    origins = Origins()
    many = [Origin(UUID(int=number), 1) for number in range(ORIGINS_REMEMBERED)]
    for at, origin in enumerate(many):
        origins.hear(origin, float(at))
    origins.hear(many[0], 100.0)
    origins.hear(Origin(UUID(int=999), 1), 101.0)
    assert len(origins) == ORIGINS_REMEMBERED
    assert many[0] in origins
    assert many[1] not in origins


def test_they_may_leave_while_they_are_gone_through() -> None:
    origins = Origins()
    origins.hear(ANA, 1.0)
    origins.hear(BEN, 1.0)
    for origin, _ in origins:
        origins.leave(origin)
    assert len(origins) == 0
