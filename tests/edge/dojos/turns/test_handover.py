from __future__ import annotations

from edge.dojos.turns.handover import Phase, ending
from edge.dojos.turns.state import CUT
from tests.edge.dojos.turns.people import NOW

CUT_AT = NOW + CUT


def test_what_was_sent_before_the_answer_counts_and_nothing_after_it() -> None:
    end = ending(7, CUT_AT, ["phone", "laptop"])
    assert end.phase(NOW) is Phase.ENDING
    assert end.may_write("phone", NOW)
    end = end.answered("phone", 7)
    assert not end.may_write("phone", NOW)
    assert end.may_write("laptop", NOW)
    assert end.phase(NOW) is Phase.ENDING
    assert end.answered("laptop", 7).phase(NOW) is Phase.FLUSHED


def test_without_an_answer_it_is_cut_off() -> None:
    end = ending(7, CUT_AT, ["phone"])
    assert (end.phase(CUT_AT), end.may_write("phone", CUT_AT)) == (Phase.CUT, False)


def test_an_answer_about_another_turn_is_none() -> None:
    assert ending(7, CUT_AT, ["phone"]).answered("phone", 6).phase(NOW) is Phase.ENDING


def test_nothing_more_can_come_from_a_connection_that_is_gone_or_was_never_asked() -> None:
    end = ending(7, CUT_AT, ["phone"])
    assert not end.may_write("somebody", NOW)
    assert end.without("phone").phase(NOW) is Phase.FLUSHED
    assert ending(7, CUT_AT, []).phase(NOW) is Phase.FLUSHED
