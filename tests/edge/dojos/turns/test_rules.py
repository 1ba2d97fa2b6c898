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
    Flushed,
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
    TurnEnding,
    TurnStarted,
    Who,
)
from edge.dojos.turns.rights import may_write
from edge.dojos.turns.rules import stamped
from edge.dojos.turns.state import CONFIRM, CUT, GRACE, MOST_WRITERS, Format, Mode, Rotation, TurnState, decode, encode
from edge.dojos.turns.view import phase, turn_view
from tests.edge.dojos.turns.people import ANA, BIA, CAIO, DORA, NODE, NOW, Table

MINUTES_5 = 300
CUT_SECONDS = CUT.total_seconds()
GRACE_SECONDS = GRACE.total_seconds()


def taking_turns(*people: UUID, seconds: int | None = None) -> Table:
    table = Table(*people)
    table.done(Start(seconds))
    confirmed(table)
    return table


def confirmed(table: Table) -> None:
    if table.state.pilot is not None:
        table.done(Confirm(table.state.pilot, table.state.turn_number), SYSTEM)


def flush(table: Table, node: str = NODE) -> None:
    table.done(Flushed(node, table.state.turn_number), SYSTEM)


def writes(table: Table, user: UUID, able: bool = True) -> bool:
    return may_write(table.state, user, able=able, now=table.now)


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


def test_the_end_of_the_time_hears_the_pilot_out() -> None:
    table = taking_turns(ANA, BIA, CAIO)
    table.later(MINUTES_5 - 0.001)
    table.done(Expire(), SYSTEM)
    assert table.pair() == (ANA, BIA)
    table.later(0.001)
    table.done(Expire(), SYSTEM)
    assert phase(table.state) == "ENDING"
    assert table.events[-1] == TurnEnding(1, ANA, table.now + CUT)
    assert writes(table, ANA)
    table.later(0.02)
    flush(table)
    assert table.pair() == (BIA, CAIO)
    assert [writes(table, user) for user in (ANA, BIA)] == [False, True]
    assert table.events[-2:] == [TurnEnded(1, ANA, BIA, NOW, table.now), TurnStarted(2, BIA, CAIO)]
    assert table.state.due_at == table.now + CONFIRM


def test_without_an_answer_the_pilot_is_cut_off_also_by_a_node_that_hears_nothing() -> None:
    table = taking_turns(ANA, BIA)
    table.done(Skip())
    assert writes(table, ANA)
    table.later(CUT_SECONDS)
    assert not writes(table, ANA)
    table.done(Expire(), SYSTEM)
    assert table.pair() == (BIA, ANA)


def test_all_nodes_of_the_pilot_are_heard_out() -> None:
    table = Table(ANA, BIA)
    table.join(ANA, "n2")
    table.done(Start())
    table.done(Skip())
    flush(table)
    assert table.state.pilot == ANA
    table.done(Dropped(ANA, "n2"), SYSTEM)
    assert table.state.pilot == BIA, "nothing more can come from there"


def test_an_answer_about_an_earlier_turn_ends_nothing() -> None:
    table = taking_turns(ANA, BIA)
    table.done(Skip())
    table.done(Flushed(NODE, table.state.turn_number - 1), SYSTEM)
    assert table.state.pilot == ANA


def test_a_pilot_who_leaves_while_being_heard_out_is_followed_at_once() -> None:
    table = taking_turns(ANA, BIA, CAIO)
    table.done(HandOver(CAIO))
    table.done(Dropped(ANA, NODE), SYSTEM)
    assert table.state.pilot == CAIO


def test_who_was_chosen_and_leaves_before_the_change_is_passed_over() -> None:
    table = taking_turns(ANA, BIA, CAIO)
    table.done(HandOver(CAIO))
    table.done(Dropped(CAIO, NODE), SYSTEM)
    flush(table)
    assert table.state.pilot == BIA


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


def test_a_keyboard_is_not_taken_from_somebody_who_is_away_for_a_moment() -> None:
    table = taking_turns(ANA, BIA)
    table.done(Dropped(ANA, NODE), SYSTEM)
    assert table.refused(Take(), Who(BIA)) == "turn_taken"
    table.later(GRACE_SECONDS - 1)
    table.join(ANA)
    assert table.pair() == (ANA, BIA)
    assert table.state.turn_number == 1


def test_after_the_grace_the_copilot_goes_on() -> None:
    table = taking_turns(ANA, BIA, CAIO)
    table.done(Dropped(ANA, NODE), SYSTEM)
    table.later(GRACE_SECONDS)
    table.done(Expire(), SYSTEM)
    assert table.pair() == (BIA, CAIO)
    assert table.events[-1] == TurnStarted(2, BIA, CAIO)
    table.join(ANA)
    assert table.state.order[-1] == ANA


def test_with_a_second_connection_somewhere_nobody_is_away() -> None:
    table = taking_turns(ANA, BIA)
    table.join(ANA, "n2")
    table.done(Dropped(ANA, NODE), SYSTEM)
    table.later(2 * GRACE_SECONDS)
    table.done(Expire(), SYSTEM)
    assert table.state.pilot == ANA


def test_with_nobody_left_the_turn_ends_and_the_next_to_come_has_it() -> None:
    table = taking_turns(ANA)
    table.done(Gone(ANA), SYSTEM)
    assert phase(table.state) == "WAITING"
    assert isinstance(table.events[-1], TurnEnded)
    table.later(3600)
    table.join(BIA)
    assert table.pair() == (BIA, None)
    assert turn_view(table.state, 1, table.now).remaining_ms == 300_000


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


def test_a_pilot_whose_able_client_is_gone_keeps_the_grace_and_then_watches() -> None:
    table = taking_turns(ANA, BIA)
    table.join(ANA, "n2", able=False)
    table.done(Dropped(ANA, NODE), SYSTEM)
    assert table.state.pilot == ANA
    table.later(GRACE_SECONDS)
    table.done(Expire(), SYSTEM)
    assert table.state.pilot == BIA
    assert not table.state.seats[ANA].able


def test_a_node_that_starts_anew_has_nobody() -> None:
    table = taking_turns(ANA, BIA)
    table.join(BIA, "n2")
    table.done(Opened(NODE), SYSTEM)
    assert table.state.seats[ANA].away_since == NOW
    assert table.state.seats[BIA].away_since is None


def test_a_pilot_for_whom_no_node_answers_is_a_leftover() -> None:
    table = Table(ANA, BIA)
    table.done(Start())
    table.later(CONFIRM.total_seconds())
    table.done(Expire(), SYSTEM)
    assert table.pair() == (BIA, None)
    assert ANA not in table.state.seats


def test_a_pause_keeps_what_is_left_and_the_keyboard() -> None:
    table = taking_turns(ANA, BIA)
    table.later(100)
    table.done(Pause())
    table.later(1000)
    table.done(Expire(), SYSTEM)
    assert (phase(table.state), table.state.pilot, writes(table, ANA)) == ("PAUSED", ANA, True)
    assert table.refused(Pause()) == "not_running"
    table.done(Extend(60))
    table.done(Resume())
    assert turn_view(table.state, 1, table.now).remaining_ms == 260_000
    assert table.refused(Resume()) == "not_running"


def test_a_break_ends_by_itself() -> None:
    table = taking_turns(ANA, BIA)
    table.later(100)
    table.done(Break(600))
    assert phase(table.state) == "BREAK"
    table.later(600)
    table.done(Expire(), SYSTEM)
    assert (phase(table.state), table.pair()) == ("RUNNING", (ANA, BIA))
    assert turn_view(table.state, 1, table.now).remaining_ms == 200_000


def test_a_turn_skipped_in_a_pause_leaves_the_next_one_paused() -> None:
    table = taking_turns(ANA, BIA)
    table.done(Pause())
    table.done(Skip())
    flush(table)
    assert (phase(table.state), table.state.pilot) == ("PAUSED", BIA)
    assert turn_view(table.state, 1, table.now).remaining_ms == 300_000


def test_somebody_alone_goes_on_without_being_interrupted() -> None:
    table = taking_turns(ANA, seconds=60)
    table.later(60)
    table.done(Expire(), SYSTEM)
    assert (phase(table.state), table.state.pilot, table.state.turn_number) == ("RUNNING", ANA, 2)


def test_a_prepared_kata_changes_nobody_when_its_time_is_over() -> None:
    table = Table(ANA, BIA, CAIO)
    table.done(SetFormat(format=Format.PREPARED, seconds=60))
    table.done(SetRoles(sensei=CAIO))
    table.done(Start())
    assert table.pair() == (CAIO, None)
    confirmed(table)
    table.later(60)
    table.done(Expire(), SYSTEM)
    assert (phase(table.state), table.pair()) == ("PAUSED", (CAIO, None))
    table.done(Resume())
    assert turn_view(table.state, 1, table.now).remaining_ms == 60_000


def test_a_pair_changes_over_and_the_audience_stays() -> None:
    table = Table(ANA, BIA, CAIO)
    table.done(SetFormat(format=Format.PAIRS, seconds=60))
    table.done(Start())
    for expected in ((BIA, ANA), (ANA, BIA)):
        confirmed(table)
        table.later(60)
        table.done(Expire(), SYSTEM)
        flush(table)
        assert table.pair() == expected


def test_the_order_can_be_given_and_who_is_left_out_follows() -> None:
    table = Table(ANA, BIA, CAIO, DORA)
    table.done(SetFormat(order=(CAIO, ANA), rotation=Rotation.BY_QUEUE))
    assert table.state.order == (CAIO, ANA, BIA, DORA)
    assert table.refused(SetFormat(order=(CAIO, CAIO))) == "bad_order"
    assert table.refused(SetFormat(order=(UUID(int=77),))) == "bad_order"
    table.done(Start())
    assert table.pair() == (CAIO, ANA)
    table.done(Skip())
    flush(table)
    assert table.pair() == (BIA, CAIO)


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


def test_a_pilot_who_drops_before_they_were_confirmed_has_the_whole_grace() -> None:
    table = Table(ANA, BIA)
    table.done(Start())
    table.done(Dropped(ANA, NODE), SYSTEM)
    table.later(GRACE_SECONDS - 1)
    table.done(Expire(), SYSTEM)
    table.join(ANA)
    assert table.pair() == (ANA, BIA)


def test_the_grace_counts_from_the_first_moment_without() -> None:
    table = taking_turns(ANA, BIA)
    table.join(ANA, "n2", able=False)
    table.done(Dropped(ANA, NODE), SYSTEM)
    table.later(GRACE_SECONDS - 1)
    table.done(Dropped(ANA, "n2"), SYSTEM)
    table.later(1)
    table.done(Expire(), SYSTEM)
    assert table.state.pilot == BIA


def test_a_connection_that_the_pilot_opens_while_the_turn_ends_is_heard_out_too() -> None:
    table = taking_turns(ANA, BIA)
    table.done(Skip())
    table.join(ANA, "n2")
    table.join(ANA, "n3", able=False)
    flush(table)
    assert table.state.pilot == ANA
    flush(table, "n2")
    assert table.state.pilot == BIA


def test_who_was_sent_away_may_no_longer_write() -> None:
    table = taking_turns(ANA, BIA, CAIO)
    table.done(Allow(CAIO, True))
    table.done(Gone(CAIO), SYSTEM)
    assert not writes(table, CAIO)
