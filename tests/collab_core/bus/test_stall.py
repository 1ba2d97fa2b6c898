"""Standing still, or only quiet."""

from __future__ import annotations

from collab_core.bus.stall import Stall


def test_whoever_moves_or_owes_nothing_does_not_stand_still() -> None:
    stall = Stall()
    assert [stall.look(progress, owed=True) for progress in range(1, 6)] == [False] * 5
    assert [stall.look(5, owed=False) for _ in range(5)] == [False] * 5


def test_two_looks_without_a_move_are_too_long() -> None:
    stall = Stall()
    assert [stall.look(7, owed=True) for _ in range(4)] == [False, False, True, True]
    assert not stall.look(8, owed=True)
    assert [stall.look(8, owed=owed) for owed in (True, False, True, True)] == [False, False, False, True]


def test_one_that_never_came_stands_still_too() -> None:
    stall = Stall()
    assert [stall.look(0, owed=True) for _ in range(2)] == [False, True]
