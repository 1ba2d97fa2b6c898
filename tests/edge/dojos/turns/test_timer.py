from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from edge.dojos.turns import timer as timers
from edge.dojos.turns.timer import LONGEST_SECONDS, Timer, remaining_ms
from tests.edge.dojos.turns.people import NOW

MINUTE = 60_000


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_a_turn_runs_down_to_zero_and_no_further() -> None:
    timer = timers.renewed(Timer(duration_ms=MINUTE), NOW)
    assert [remaining_ms(timer, NOW + at(s)) for s in (-1, 0, 59.9999, 60, 61)] == [61_000, 60_000, 1, 0, 0]


def test_what_is_left_outlives_a_pause_and_a_break() -> None:
    timer = timers.paused(timers.renewed(Timer(duration_ms=MINUTE), NOW), NOW + at(20))
    assert (remaining_ms(timer, NOW + at(500)), timer.due_at) == (40_000, None)
    timer = timers.on_break(timer, 300, NOW + at(500))
    assert (remaining_ms(timer, NOW + at(700)), timer.due_at) == (40_000, NOW + at(800))
    timer = timers.resumed(timer, NOW + at(800))
    assert (timer.due_at, timer.stopped) == (NOW + at(840), False)


def test_time_can_be_added_while_it_runs_and_while_it_does_not() -> None:
    timer = timers.extended(timers.renewed(Timer(duration_ms=MINUTE), NOW), 30, NOW + at(20))
    assert timer.ends_at == NOW + at(90)
    assert remaining_ms(timers.extended(timers.paused(timer, NOW + at(20)), 30, NOW), NOW) == 100_000


def test_nothing_lasts_for_ever() -> None:
    timer = timers.renewed(Timer(duration_ms=MINUTE), NOW)
    for _ in range(3):
        timer = timers.extended(timer, LONGEST_SECONDS, NOW)
    assert remaining_ms(timer, NOW) == LONGEST_SECONDS * 1000


def test_a_turn_without_an_end_has_none_whatever_is_done() -> None:
    timer = timers.renewed(Timer(duration_ms=0), NOW)
    for changed in (timer, timers.extended(timer, 60, NOW), timers.resumed(timers.paused(timer, NOW), NOW)):
        assert (remaining_ms(changed, NOW), changed.due_at) == (None, None)


def test_a_rested_timer_starts_over_when_resumed() -> None:
    timer = timers.rested(timers.renewed(Timer(duration_ms=MINUTE), NOW))
    assert remaining_ms(timer, NOW) == 0
    assert timers.resumed(timer, NOW).ends_at == NOW + at(60)


@given(st.lists(st.tuples(st.sampled_from("prebx"), st.integers(-5, 400)), max_size=30))
def test_it_is_never_below_zero_nor_running_and_stopped_at_once(steps: list[tuple[str, int]]) -> None:
    timer, now = timers.renewed(Timer(duration_ms=MINUTE), NOW), NOW
    for what, seconds in steps:
        now += at(seconds)
        match what:
            case "p":
                timer = timers.paused(timer, now)
            case "r":
                timer = timers.resumed(timer, now)
            case "e":
                timer = timers.extended(timer, 60, now)
            case "b":
                timer = timers.on_break(timer, 60, now)
            case _:
                timer = timers.renewed(timer, now)
        left = remaining_ms(timer, now)
        assert left is not None
        assert left >= 0
        assert (timer.ends_at is None) == timer.stopped
        assert (timer.paused_remaining_ms is None) != timer.stopped
