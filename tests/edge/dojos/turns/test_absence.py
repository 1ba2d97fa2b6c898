"""Who is away for a moment, for longer, and for good."""

from __future__ import annotations

from edge.dojos.turns.commands import SYSTEM, Dropped, Expire, Gone, Opened, Start, Take, TurnEnded, TurnStarted, Who
from edge.dojos.turns.state import CONFIRM
from edge.dojos.turns.view import phase, turn_view
from tests.edge.dojos.turns.people import ANA, BIA, CAIO, NODE, NOW, Table
from tests.edge.dojos.turns.sessions import GRACE_SECONDS, taking_turns


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
