"""Lines and budgets, without sockets: who is next, who is turned away, and when there is time."""

from __future__ import annotations

import pytest

from collab_core.storm import Budget, Lines


def drained(lines: Lines[str]) -> list[str]:
    found = []
    while (item := lines.next()) is not None:
        found.append(item)
    return found


def test_companies_take_turns() -> None:
    lines: Lines[str] = Lines(100, 10.0)
    for number in range(4):
        assert lines.join("acme", f"acme {number}", 0.0) is None
    lines.join(None, "nobody's", 0.0)
    lines.join("other", "other 0", 0.0)
    lines.join("other", "other 1", 0.0)
    assert drained(lines) == ["acme 0", "nobody's", "other 0", "acme 1", "other 1", "acme 2", "acme 3"]
    assert len(lines) == 0


def test_who_comes_late_is_not_behind_a_long_line() -> None:
    lines: Lines[str] = Lines(5_000, 10.0)
    for number in range(2_000):
        lines.join("acme", f"acme {number}", 0.0)
    lines.next()
    lines.join("other", "other", 1.0)
    assert [lines.next(), lines.next()].count("other") == 1


def test_when_it_is_full_the_longest_line_loses_its_last() -> None:
    lines: Lines[str] = Lines(3, 10.0)
    for number in range(3):
        assert lines.join("acme", f"acme {number}", 0.0) is None
    assert lines.join("other", "other", 0.0) == "acme 2"
    assert lines.join("acme", "acme 3", 0.0) == "acme 3"
    assert drained(lines) == ["acme 0", "other", "acme 1"]


def test_who_waited_too_long_is_taken_out() -> None:
    lines: Lines[str] = Lines(10, 5.0)
    lines.join("acme", "early", 0.0)
    lines.join("acme", "late", 3.0)
    lines.join("other", "early too", 1.0)
    assert lines.overdue(4.9) == []
    assert lines.overdue(6.0) == ["early", "early too"]
    assert drained(lines) == ["late"]


def test_a_budget_is_earned_spent_and_overdrawn() -> None:
    budget = Budget(0.002, 0.0)
    assert budget.wait(0.3) == 0
    budget.spend(0.005)
    assert budget.wait(0.3) == pytest.approx(0.01)
    budget.earn(0.3, 0.005)
    assert budget.wait(0.3) == pytest.approx(0.005)
    budget.earn(0.3, 100.0)
    assert budget.wait(0.3) == 0
    budget.spend(0.0025)
    assert budget.wait(0.3) > 0, "what is earned while nobody comes is not kept"


def test_over_any_time_no_more_than_the_share_is_spent() -> None:
    budget, now, spent = Budget(0.002, 0.0), 0.0, 0.0
    while now < 10:
        budget.earn(0.3, now)
        if budget.wait(0.3) == 0:
            budget.spend(0.0012)
            spent += 0.0012
        now += 0.001
    assert spent == pytest.approx(3.0, rel=0.01)
