"""Turns begin when those who wrote freely have been heard out."""

from __future__ import annotations

from uuid import UUID

import pytest

from edge.dojos.turns.commands import (
    SYSTEM,
    Allow,
    Command,
    Dropped,
    Expire,
    Flushed,
    Gone,
    HandOver,
    Pause,
    SetFormat,
    SetRoles,
    Skip,
    Start,
    Stop,
    Take,
    TurnStarted,
    Who,
)
from edge.dojos.turns.rights import may_write
from edge.dojos.turns.state import CUT, Format, Mode
from edge.dojos.turns.view import phase, turn_view
from tests.edge.dojos.turns.people import ANA, BIA, CAIO, HOST, NODE, Table


def starting(*people: UUID, seconds: int | None = None) -> Table:
    table = Table(*people)
    table.do(Start(seconds), HOST)
    return table


def writers(table: Table) -> list[UUID]:
    return [user for user in (ANA, BIA, CAIO) if may_write(table.state, user, able=True, now=table.now)]


def test_until_all_are_heard_out_everybody_writes_and_nobody_pilots() -> None:
    table = starting(ANA, BIA, CAIO, seconds=60)
    assert phase(table.state) == "ENDING"
    assert writers(table) == [ANA, BIA, CAIO]
    assert may_write(table.state, CAIO, able=False, now=table.now), "a plain client has the same second"
    assert table.events == []
    table.later(0.02)
    table.done(Flushed(NODE, table.state.turn_number), SYSTEM)
    assert (table.pair(), writers(table)) == ((ANA, BIA), [ANA])
    assert table.events == [TurnStarted(1, ANA, BIA)]
    view = turn_view(table.state, 1, table.now)
    assert (view.state, view.number, view.remaining_ms) == ("RUNNING", 1, 60_000), "the time counts from now on"


def test_all_nodes_are_waited_for_but_for_a_second_at_most() -> None:
    table = Table(ANA, BIA)
    table.join(CAIO, "n2", able=False)
    table.do(Start())
    table.done(Flushed(NODE, 0), SYSTEM)
    assert table.state.mode is Mode.FREE
    table.later(CUT.total_seconds())
    assert writers(table) == [ANA], "by the clock, whether or not a node has heard of the change"
    table.done(Expire(), SYSTEM)
    assert table.pair() == (ANA, BIA)


def test_a_node_that_loses_its_last_writer_is_waited_for_no_longer() -> None:
    table = Table(ANA)
    table.join(BIA, "n2")
    table.do(Start())
    assert table.state.mode is Mode.FREE
    table.done(Dropped(BIA, "n2"), SYSTEM)
    assert table.pair() == (ANA, None)


def test_somebody_alone_begins_at_once() -> None:
    assert starting(ANA).pair() == (ANA, None)


def test_whom_the_host_lets_write_is_not_interrupted() -> None:
    table = Table(ANA, BIA)
    table.done(Allow(BIA, True))
    table.do(Start())
    assert table.state.mode is Mode.TURN
    assert writers(table) == [ANA, BIA]


def test_whoever_took_the_keyboard_has_the_first_turn() -> None:
    table = Table(ANA, BIA)
    table.done(Take(), Who(BIA))
    table.do(Start())
    table.later(CUT.total_seconds())
    assert writers(table) == [BIA]
    assert table.heard_out().pilot == BIA


def test_of_a_prepared_kata_the_sensei_has_the_first_turn() -> None:
    table = Table(ANA, BIA)
    table.done(SetFormat(format=Format.PREPARED))
    table.done(SetRoles(sensei=BIA))
    table.do(Start())
    assert table.heard_out().pilot == BIA


def test_if_the_first_leaves_meanwhile_somebody_else_is() -> None:
    table = starting(ANA, BIA, CAIO)
    table.done(Gone(ANA), SYSTEM)
    assert table.heard_out().pilot == BIA


def test_if_all_leave_meanwhile_the_next_to_come_pilots() -> None:
    table = starting(ANA, BIA)
    for user in (ANA, BIA):
        table.done(Gone(user), SYSTEM)
    assert phase(table.state) == "WAITING"
    assert table.join(CAIO).pilot == CAIO


def test_a_stop_lets_everybody_go_on_writing() -> None:
    table = starting(ANA, BIA)
    table.done(Stop())
    table.later(CUT.total_seconds())
    assert (phase(table.state), writers(table)) == ("FREE", [ANA, BIA, CAIO])
    assert table.state.due_at is None


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (Start(), "already_running"),
        (Take(), "turn_ending"),
        (SetRoles(pilot=BIA), "turn_ending"),
        (Pause(), "not_running"),
        (Skip(), "not_running"),
        (HandOver(BIA), "not_running"),
    ],
)
def test_what_is_for_turns_waits_for_the_first(command: Command, code: str) -> None:
    table = starting(ANA, BIA)
    assert table.refused(command, Who(ANA, leads=True)) == code
