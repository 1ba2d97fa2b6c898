"""Who may do what, and what is refused."""

from __future__ import annotations

from uuid import UUID

import pytest

from edge.dojos.turns.commands import (
    SYSTEM,
    Allow,
    Applied,
    Break,
    Command,
    Confirm,
    Dropped,
    Expire,
    Extend,
    Gone,
    Hand,
    HandOver,
    Joined,
    Opened,
    Pause,
    Resume,
    SetFormat,
    SetRoles,
    Skip,
    Start,
    Stop,
    Take,
    TurnEnded,
    TurnStarted,
    Who,
)
from edge.dojos.turns.rules import stamped
from edge.dojos.turns.state import MOST_WRITERS, Mode, TurnState, decode, encode
from edge.dojos.turns.view import turn_view
from tests.edge.dojos.turns.people import ANA, BIA, CAIO, DORA, NODE, Table
from tests.edge.dojos.turns.sessions import flush, taking_turns, writes


def test_a_session_begins_with_the_first_two_and_a_full_turn() -> None:
    table = taking_turns(ANA, BIA, CAIO)
    assert table.pair() == (ANA, BIA)
    assert table.events == [TurnStarted(1, ANA, BIA)]
    view = turn_view(table.state, 5, table.now)
    assert (view.state, view.number, view.remaining_ms, view.duration_ms) == ("RUNNING", 1, 300_000, 300_000)
    assert view.ends_at is not None
    assert view.ends_at - view.server_time == 300_000


def test_only_the_pilot_and_whom_the_host_allows_write() -> None:
    table = Table(ANA, BIA, CAIO)
    assert all(writes(table, user) for user in (ANA, BIA, CAIO))
    table.done(Start())
    assert [writes(table, user) for user in (ANA, BIA, CAIO)] == [True, False, False]
    table.done(Allow(CAIO, True))
    assert [writes(table, user) for user in (ANA, BIA, CAIO)] == [True, False, True]
    assert not writes(table, ANA, able=False), "by a client that cannot be told that its turn ends"
    table.done(Allow(CAIO, False))
    assert not writes(table, CAIO)
    table.done(Stop())
    assert all(writes(table, user) for user in (ANA, BIA, CAIO))


@pytest.mark.parametrize(
    "command",
    [Start(), Stop(), Pause(), Resume(), Extend(60), Break(60), SetRoles(pilot=BIA), SetFormat(), Allow(BIA, True)],
)
def test_leading_is_for_hosts_and_the_sensei(command: Command) -> None:
    table = taking_turns(ANA, BIA)
    assert table.refused(command, Who(BIA)) == "not_host"
    table.done(SetRoles(sensei=BIA))
    answer = table.do(command, Who(BIA))
    assert isinstance(answer, Applied) or answer.code in ("already_running", "not_running")
    assert table.refused(command, Who(CAIO)) == "not_host"


def test_the_pilot_may_give_the_turn_away_and_nobody_else_may() -> None:
    table = taking_turns(ANA, BIA, CAIO)
    assert table.refused(Skip(), Who(BIA)) == "not_pilot"
    assert table.refused(HandOver(BIA), Who(BIA)) == "not_pilot"
    assert table.refused(HandOver(DORA), Who(ANA)) == "not_in_room"
    table.done(HandOver(CAIO), Who(ANA))
    assert table.refused(Skip(), Who(ANA)) == "turn_ending"
    flush(table)
    assert table.pair() == (CAIO, BIA)
    table.done(Skip(), Who(CAIO))
    assert table.refused(Pause()) == "turn_ending"


def test_of_two_who_take_a_free_keyboard_one_gets_it() -> None:
    table = Table(ANA, BIA)
    table.done(Take(), Who(ANA))
    assert table.refused(Take(), Who(BIA)) == "turn_taken"
    table.done(Take(), Who(ANA))
    assert table.state.pilot == ANA
    assert table.refused(Take(), Who(CAIO)) == "not_in_room"
    table.done(Take(copilot=True), Who(BIA))
    assert table.refused(Take(copilot=True), Who(ANA)) == "turn_taken"
    assert table.pair() == (ANA, BIA)


def test_observers_and_plain_clients_get_no_turn() -> None:
    table = Table()
    table.join(ANA, able=False)
    assert table.refused(Start()) == "nobody_here"
    table.join(BIA)
    table.done(Start())
    assert table.pair() == (BIA, None)
    assert table.refused(SetRoles(copilot=ANA)) == "not_in_room"
    assert table.refused(HandOver(ANA)) == "not_in_room"
    table.join(ANA, "n2", able=True)
    assert table.pair() == (BIA, ANA)


def test_durations_have_bounds() -> None:
    table = taking_turns(ANA)
    for command in (SetFormat(seconds=9), SetFormat(seconds=14_401), Extend(0), Break(0), Extend(14_401)):
        assert table.refused(command) == "bad_duration"
    table.done(SetFormat(seconds=0))
    table.done(Skip())
    assert turn_view(table.state, 1, table.now).ends_at is None


def test_only_so_many_may_write() -> None:
    table = Table(ANA)
    many = tuple(UUID(int=number) for number in range(MOST_WRITERS + 1))
    assert table.refused(SetFormat(writers=many)) == "too_many"
    table.done(SetFormat(writers=many[:MOST_WRITERS]))
    assert table.refused(Allow(many[-1], True)) == "too_many"
    table.done(Allow(many[0], True))


def test_roles_are_for_two_people() -> None:
    table = Table(ANA, BIA)
    assert table.refused(SetRoles(pilot=ANA, copilot=ANA)) == "bad_roles"
    table.done(SetRoles(pilot=ANA, copilot=BIA))
    assert table.refused(SetRoles(copilot=ANA)) == "bad_roles"
    table.done(SetRoles(pilot=BIA))
    assert table.pair() == (BIA, None)
    table.done(Gone(BIA), SYSTEM)
    assert table.pair() == (None, None)


def test_roles_given_in_turn_mode_end_the_turn_first() -> None:
    table = taking_turns(ANA, BIA, CAIO, DORA)
    table.done(SetRoles(pilot=DORA, copilot=CAIO))
    assert table.pair() == (ANA, BIA)
    flush(table)
    assert table.pair() == (DORA, CAIO)
    table.done(SetRoles(copilot=ANA))
    assert table.pair() == (DORA, ANA)
    table.done(SetRoles(pilot=None))
    flush(table)
    assert table.state.pilot == ANA


def test_hands_are_raised_in_order_and_lowered_by_their_owner_the_host_or_a_turn() -> None:
    table = taking_turns(ANA, BIA, CAIO)
    for user in (CAIO, BIA, CAIO):
        table.done(Hand(True), Who(user))
    assert table.state.hands == (CAIO, BIA)
    assert table.refused(Hand(False, CAIO), Who(BIA)) == "not_host"
    assert table.refused(Hand(True, ANA)) == "not_host"
    assert table.refused(Hand(True), Who(DORA)) == "not_in_room"
    table.done(Hand(False, CAIO))
    table.done(HandOver(BIA))
    flush(table)
    assert not table.state.hands


def test_coming_and_going_makes_no_version_stale_and_a_turn_does() -> None:
    table = taking_turns(ANA, BIA)
    before = table.state
    table.join(CAIO)
    assert stamped(before, table.state, 9).changed_in == before.changed_in
    table.done(Skip())
    assert stamped(before, table.state, 9).changed_in == 9


def test_saying_it_twice_changes_nothing() -> None:
    table = taking_turns(ANA, BIA)
    for command in (Joined(ANA, NODE, True), Dropped(CAIO, NODE), Gone(CAIO), Expire(), Opened("n9"), Confirm(ANA, 1)):
        before = table.state
        assert table.done(command, SYSTEM) is before


def test_a_clock_that_is_set_back_shortens_no_history() -> None:
    table = taking_turns(ANA, BIA)
    table.later(-10)
    table.done(Skip())
    flush(table)
    over = next(event for event in table.events if isinstance(event, TurnEnded))
    assert over.ended_at == over.started_at


def test_a_state_comes_back_as_it_was_stored() -> None:
    table = taking_turns(ANA, BIA, CAIO)
    table.done(SetRoles(sensei=CAIO))
    table.done(Hand(True), Who(BIA))
    table.done(Dropped(CAIO, NODE), SYSTEM)
    table.done(Skip())
    assert decode(encode(table.state), CAIO) == table.state
    assert decode("{}", None) == TurnState(mode=Mode.FREE)


def test_who_was_sent_away_may_no_longer_write() -> None:
    table = taking_turns(ANA, BIA, CAIO)
    table.done(Allow(CAIO, True))
    table.done(Gone(CAIO), SYSTEM)
    assert not writes(table, CAIO)
