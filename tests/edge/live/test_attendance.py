"""People, not connections: several tabs are one person, and a lost connection is no leaving."""

from __future__ import annotations

from uuid import UUID

from edge.live.attendance import GRACE_SECONDS, Attendance
from edge.live.place import Place, Standing

ANA, BEN = UUID(int=1), UUID(int=2)


def place(granted: Standing = Standing.PARTICIPANT, *, watches: bool = False) -> Place:
    return Place(UUID(int=8), UUID(int=9), granted, watches=watches, guest=False, may_edit=True)


def test_a_second_tab_changes_nothing_and_neither_does_its_end() -> None:
    here = Attendance()
    assert here.arrive(1, ANA, "Ana", place(), 0.0)
    assert not here.arrive(2, ANA, "Ana", place(), 1.0)
    assert not here.drop(1, ANA, 2.0)
    assert here.people[ANA].connected
    assert here.next_leave is None


def test_a_lost_connection_keeps_the_place_until_the_grace_is_over() -> None:
    here = Attendance()
    here.arrive(1, ANA, "Ana", place(), 0.0)
    here.arrive(2, BEN, "Ben", place(), 0.0)
    assert here.drop(1, ANA, 10.0)
    assert not here.people[ANA].connected
    assert here.next_leave == 10.0 + GRACE_SECONDS
    assert here.leave(10.0 + GRACE_SECONDS - 0.1) == []
    assert here.leave(10.0 + GRACE_SECONDS) == [ANA]
    assert list(here.people) == [BEN]


def test_who_returns_in_time_has_not_left() -> None:
    here = Attendance()
    here.arrive(1, ANA, "Ana", place(), 0.0)
    here.drop(1, ANA, 1.0)
    assert here.arrive(2, ANA, "Ana", place(), 20.0), "shown as connected again"
    assert here.leave(1000.0) == []


def test_a_half_open_connection_that_ends_late_takes_nothing_from_the_new_one() -> None:
    here = Attendance()
    here.arrive(1, ANA, "Ana", place(), 0.0)
    here.arrive(2, ANA, "Ana", place(), 5.0)
    here.drop(1, ANA, 90.0)
    assert here.people[ANA].connected
    assert not here.drop(1, ANA, 91.0), "twice is once"


def test_a_window_that_only_looks_on_takes_no_standing_away() -> None:
    here = Attendance()
    here.arrive(1, ANA, "Ana", place(Standing.HOST), 0.0)
    assert not here.arrive(2, ANA, "Ana", place(Standing.HOST, watches=True), 0.0)
    assert here.people[ANA].standing is Standing.HOST
    assert here.drop(1, ANA, 1.0)
    assert here.people[ANA].standing is Standing.OBSERVER


def test_standing_may_change_and_people_be_sent_away() -> None:
    here = Attendance()
    here.arrive(1, ANA, "Ana", place(), 0.0)
    assert here.move(1, ANA, place(Standing.OBSERVER))
    assert not here.move(7, ANA, place())
    assert here.people[ANA].standing is Standing.OBSERVER
    assert here.remove(ANA)
    assert not here.remove(ANA)
    assert not here.drop(1, ANA, 1.0)


def test_observers_and_guests_of_the_tenant_never_write() -> None:
    assert place().can_write
    assert not place(watches=True).can_write
    assert not place(Standing.OBSERVER).can_write
    assert not Place(UUID(int=8), UUID(int=9), Standing.HOST, watches=False, guest=False, may_edit=False).can_write
