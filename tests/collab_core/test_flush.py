"""When a room flushes: at once while quiet, in windows while busy, and back."""

from __future__ import annotations

import pytest

from collab_core.flush import FlushWindow

CEILING = 0.020


def window(*, floor: float = 0.0, pause_per_cost: float = 1.0) -> FlushWindow:
    return FlushWindow(pause_per_cost=pause_per_cost, floor=floor, ceiling=CEILING)


def busy(flushes: FlushWindow, cost: float, times: int, now: float = 0.0) -> float:
    """Flush as often as the window lets, each at the same cost. Returns when the last one ended."""
    for _ in range(times):
        now += flushes.delay(now)
        flushes.flushed(now, now + cost)
        now += cost
    return now


def test_the_first_flush_is_at_once() -> None:
    assert window().delay(0.0) == 0
    assert window(floor=0.01).delay(5.0) == 0


def test_the_first_flush_after_a_pause_is_at_once() -> None:
    flushes = window()
    ended = busy(flushes, 0.010, 50)
    assert flushes.delay(ended) > 0
    assert flushes.delay(ended + CEILING) == 0


def test_a_busy_room_waits_as_long_as_its_flushes_take() -> None:
    flushes = window()
    ended = busy(flushes, 0.004, 60)
    assert flushes.delay(ended) == pytest.approx(0.004, rel=1e-3)
    assert flushes.delay(ended + 0.001) == pytest.approx(0.003, rel=1e-3)


def test_a_room_on_three_nodes_waits_as_if_it_were_on_one() -> None:
    flushes = window()
    now = 0.0
    for _ in range(60):
        now += flushes.delay(now)
        flushes.flushed(now, now + 0.001, 3)
        now += 0.001
    assert flushes.delay(now) == pytest.approx(0.003, rel=1e-3)


def test_the_window_widens_to_the_ceiling_and_no_further() -> None:
    flushes = window()
    ended = busy(flushes, 0.500, 10)
    assert flushes.delay(ended) == pytest.approx(CEILING)


def test_the_window_narrows_again() -> None:
    flushes = window()
    ended = busy(flushes, 0.015, 40)
    assert flushes.delay(ended) == pytest.approx(0.015, rel=1e-3)
    ended = busy(flushes, 0.0001, 40, ended)
    assert flushes.delay(ended) == pytest.approx(0.0001, rel=1e-2)


def test_one_hiccup_counts_a_quarter_and_fades() -> None:
    flushes = window()
    flushes.flushed(0.0, 0.016)
    assert flushes.delay(0.016) == pytest.approx(0.004)
    flushes.flushed(1.0, 1.0)
    assert flushes.delay(1.0) == pytest.approx(0.003)


def test_the_floor_holds_when_flushes_cost_nothing() -> None:
    flushes = window(floor=0.010)
    flushes.flushed(1.0, 1.0)
    assert flushes.delay(1.0) == pytest.approx(0.010)
    assert flushes.delay(1.010) == pytest.approx(0.0)


def test_the_pause_is_a_multiple_of_the_cost() -> None:
    flushes = window(pause_per_cost=3.0)
    ended = busy(flushes, 0.002, 60)
    assert flushes.delay(ended) == pytest.approx(0.006, rel=1e-3)
