"""The end of a turn: the pilot is heard out, within bounds, before the next one writes."""

from __future__ import annotations

from edge.dojos.turns.commands import (
    SYSTEM,
    Dropped,
    Expire,
    Flushed,
    HandOver,
    Skip,
    Start,
    TurnEnded,
    TurnEnding,
    TurnStarted,
)
from edge.dojos.turns.state import CONFIRM, CUT
from edge.dojos.turns.view import phase
from tests.edge.dojos.turns.people import ANA, BIA, CAIO, NODE, NOW, Table
from tests.edge.dojos.turns.sessions import CUT_SECONDS, MINUTES_5, flush, taking_turns, writes


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


def test_a_connection_that_the_pilot_opens_while_the_turn_ends_is_heard_out_too() -> None:
    table = taking_turns(ANA, BIA)
    table.done(Skip())
    table.join(ANA, "n2")
    table.join(ANA, "n3", able=False)
    flush(table)
    assert table.state.pilot == ANA
    flush(table, "n2")
    assert table.state.pilot == BIA
