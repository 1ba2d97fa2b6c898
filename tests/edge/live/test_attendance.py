"""People, not connections: several tabs are one person, and a lost connection is no leaving."""

from __future__ import annotations

from uuid import UUID

from collab_core.bus.messages import Origin
from edge.live.attendance import GRACE_SECONDS, Attendance, Elsewhere
from edge.live.place import Place, Standing

ANA, BEN = UUID(int=1), UUID(int=2)
NODE, OTHER = Origin(UUID(int=50), 1), Origin(UUID(int=51), 1)


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
    assert here.move(1, ANA, place(Standing.OBSERVER), 1.0)
    assert not here.move(7, ANA, place(), 1.0)
    assert here.people[ANA].standing is Standing.OBSERVER
    assert here.remove(ANA)
    assert not here.remove(ANA)
    assert not here.drop(1, ANA, 1.0)


def there(user: UUID, standing: Standing = Standing.PARTICIPANT, *, active_at: float = 0.0) -> Elsewhere:
    return Elsewhere(user, f"of {user.int}", standing, guest=False, active_at=active_at)


def test_people_of_another_node_are_there_until_it_says_otherwise() -> None:
    here = Attendance()
    here.arrive(1, ANA, "Ana", place(), 0.0)
    assert here.told(NODE, [there(BEN, Standing.HOST, active_at=3.0)], 5.0)
    ben = here.people[BEN]
    assert (ben.name, ben.standing, ben.connected, ben.here, ben.active_at) == ("of 2", Standing.HOST, True, False, 3.0)
    assert not here.told(NODE, [there(BEN, Standing.HOST, active_at=7.0)], 8.0), "only when they did something"
    assert ben.active_at == 7.0
    assert [person.user for person in here.here] == [ANA]
    assert here.told(NODE, [], 10.0)
    assert not ben.connected
    assert ben.standing is Standing.HOST
    assert here.next_leave == 10.0 + GRACE_SECONDS
    assert here.leave(10.0 + GRACE_SECONDS) == [BEN]


def test_one_person_on_two_nodes_is_one_and_connected_as_long_as_either_has_them() -> None:
    here = Attendance()
    here.arrive(1, ANA, "Ana", place(Standing.OBSERVER), 0.0)
    assert here.told(NODE, [there(ANA)], 1.0), "more than an observer there"
    assert not here.told(OTHER, [there(ANA)], 1.0)
    ana = here.people[ANA]
    assert (ana.name, ana.standing, ana.standing_here) == ("Ana", Standing.PARTICIPANT, Standing.OBSERVER)
    assert not here.drop(1, ANA, 2.0), "moved: nobody is to see them go"
    assert ana.gone_at is None
    assert not here.told(NODE, [], 3.0)
    assert here.leave(1000.0) == []
    assert here.lost(OTHER, 1000.0), "the last node that had them is gone"
    assert not here.lost(OTHER, 1001.0)
    assert here.leave(1000.0 + GRACE_SECONDS) == [ANA]


def test_who_comes_here_after_their_node_died_has_not_left() -> None:
    here = Attendance()
    here.told(NODE, [there(BEN)], 0.0)
    here.lost(NODE, 1.0)
    assert here.arrive(4, BEN, "Ben", place(), 3.0)
    assert here.people[BEN].name == "Ben"
    assert here.next_leave is None


def test_a_node_that_says_nothing_is_known_by_it() -> None:
    here = Attendance()
    here.told(NODE, [there(BEN)], 0.0)
    here.told(OTHER, [], 10.0)
    assert here.silent(17.0, 17.0) == []
    assert here.silent(17.0, 18.0) == [NODE]
    here.lost(NODE, 18.0)
    assert here.silent(17.0, 18.0) == []
    assert here.nodes == [OTHER]


def test_observers_and_guests_of_the_tenant_never_write() -> None:
    assert place().can_write
    assert not place(watches=True).can_write
    assert not place(Standing.OBSERVER).can_write
    assert not Place(UUID(int=8), UUID(int=9), Standing.HOST, watches=False, guest=False, may_edit=False).can_write
