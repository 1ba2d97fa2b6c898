"""Which structs can hold others: types, and what came without its content."""

from __future__ import annotations

from collab_core.parents import Parents
from collab_core.wire.update import walk
from tests.collab_core.intake import update

MAP_THEN_TEXT_THEN_COLLECTED = update("01 03 07 00 07 01 01 74 01 04 01 01 74 'ab' 00 03 00")
"""Client 7: a map (clock 0), "ab" (1-2), three collected clocks (3-5)."""


def test_a_type_holds_and_text_does_not() -> None:
    parents = Parents.of(MAP_THEN_TEXT_THEN_COLLECTED)
    assert (7, 0) in parents
    assert (7, 1) not in parents
    assert (7, 2) not in parents


def test_what_came_collected_holds() -> None:
    parents = Parents.of(MAP_THEN_TEXT_THEN_COLLECTED)
    assert [(7, clock) in parents for clock in range(3, 7)] == [True, True, True, False]


def test_other_clients_have_nothing() -> None:
    assert (8, 0) not in Parents.of(MAP_THEN_TEXT_THEN_COLLECTED)


def test_only_the_noted_clocks_count() -> None:
    (section,) = walk(MAP_THEN_TEXT_THEN_COLLECTED).sections
    parents = Parents()
    parents.note(section, 1, 4)
    assert [(7, clock) in parents for clock in range(6)] == [False, False, False, True, False, False]
