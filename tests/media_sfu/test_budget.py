"""The token bucket of uplinks and slots, with a clock of the test's own."""

from __future__ import annotations

from media_sfu.budget import Budget


def test_a_burst_and_then_the_rate() -> None:
    budget = Budget(50, 25)
    assert sum(budget.take(10.0) for _ in range(100)) == 25
    assert [budget.take(now) for now in (10.019, 10.021, 10.022, 10.041)] == [False, True, False, True]


def test_it_never_holds_more_than_a_burst() -> None:
    budget = Budget(1, 3)
    assert sum(budget.take(0.0) for _ in range(10)) == 3
    assert sum(budget.take(1_000.0) for _ in range(10)) == 3


def test_a_clock_far_on_takes_none_of_it() -> None:
    budget = Budget(50, 25)
    assert sum(budget.take(1e7 + 1 / 3) for _ in range(100)) == 25
