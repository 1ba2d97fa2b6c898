"""Who comes next, by format and order."""

from __future__ import annotations

from uuid import UUID

from edge.dojos.turns.commands import SYSTEM, Expire, Resume, SetFormat, SetRoles, Skip, Start
from edge.dojos.turns.state import Format, Rotation
from edge.dojos.turns.view import phase, turn_view
from tests.edge.dojos.turns.people import ANA, BIA, CAIO, DORA, Table
from tests.edge.dojos.turns.sessions import confirmed, flush, taking_turns


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
