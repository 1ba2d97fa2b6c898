from __future__ import annotations

from datetime import timedelta

from edge.dojos.turns.commands import Break, Confirm, Expire, Pause, Resume, SetFormat, Skip, Start, Stop, TurnEnded
from edge.dojos.turns.pauses import paused
from edge.dojos.turns.state import Format
from tests.edge.dojos.turns.people import ANA, BIA, Table


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def started(*, turn_seconds: int = 300) -> Table:
    """Ana pilots, Bia sits beside her."""
    table = Table(ANA, BIA)
    table.done(Start(turn_seconds))
    table.do(Confirm(ANA, 1))
    table.later(10)
    return table


def ended(table: Table) -> list[TurnEnded]:
    return [event for event in table.events if isinstance(event, TurnEnded)]


def test_a_pause_is_no_piloting() -> None:
    table = started()
    table.done(Pause())
    table.later(60)
    assert paused(table.state, table.now) == seconds(60)
    table.done(Resume())
    table.later(20)
    assert paused(table.state, table.now) == seconds(60)
    table.done(Pause())
    table.later(5)
    table.done(Stop())
    (turn,) = ended(table)
    assert turn.paused == seconds(65)
    assert turn.ended_at - turn.started_at == seconds(10 + 60 + 20 + 5)
    assert paused(table.state, table.now) == seconds(0)


def test_a_break_is_none_either_and_a_pause_goes_on_in_it() -> None:
    table = started()
    table.done(Break(30))
    table.later(10)
    table.done(Pause())
    table.later(40)
    table.done(Resume())
    table.later(1)
    assert paused(table.state, table.now) == seconds(50)


def test_a_turn_that_begins_stopped_stands_still_from_its_start() -> None:
    table = started()
    table.done(Pause())
    table.later(30)
    table.done(Skip())
    table.later(1)
    table.heard_out()
    table.do(Confirm(BIA, 2))
    (first,) = ended(table)
    assert first.paused == seconds(31)
    table.later(7)
    assert paused(table.state, table.now) == seconds(7)
    table.done(Resume())
    table.later(100)
    assert paused(table.state, table.now) == seconds(7)


def test_a_time_that_is_over_with_nobody_to_go_on_to_is_no_pause() -> None:
    table = started(turn_seconds=20)
    table.done(SetFormat(format=Format.PREPARED))
    table.later(11)
    table.do(Expire())
    assert table.state.timer.paused
    table.later(60)
    assert paused(table.state, table.now) == seconds(0)
