"""Places on the wire: UTF-16 units, never inside a character, never outside the text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.live.json.positions import (
    BadPosition,
    Edit,
    Position,
    edits_of,
    offset_of,
    position_of,
    splices_of,
    units,
)
from tests.edge.live.json.strategies import splices_for, texts


@given(st.data())
def test_every_place_there_and_back(data: st.DataObject) -> None:
    text = data.draw(texts)
    offset = data.draw(st.integers(0, len(text)))
    assert offset_of(text, position_of(text, offset)) == offset


@given(st.data())
def test_edits_there_and_back(data: st.DataObject) -> None:
    text = data.draw(texts)
    splices = data.draw(splices_for(text))
    assert splices_of(text, edits_of(text, splices)) == splices


def test_columns_count_units_of_utf_16() -> None:
    text = "one\né😀x\n"
    assert position_of(text, 6) == Position(1, 3)
    assert offset_of(text, Position(1, 3)) == 6
    assert units(text) == 9
    assert edits_of(text, []) == []


@pytest.mark.parametrize(
    "position",
    [Position(0, 4), Position(1, 2), Position(1, 5), Position(3, 0), Position(-1, 0), Position(0, -1), Position(1, -1)],
)
def test_no_place_is_refused(position: Position) -> None:
    with pytest.raises(BadPosition):
        offset_of("one\né😀x\n", position)


@pytest.mark.parametrize("text", ["abc", "a😀c"])
@pytest.mark.parametrize(
    "edits",
    [
        [Edit(0, 9)],
        [Edit(-1, 0)],
        [Edit(2, 1)],
        [Edit(1, 1, "x"), Edit(0, 1)],
        [Edit(9, 9, "x")],
        [Edit(9, 12, "")],
    ],
)
def test_edits_outside_the_text_or_out_of_order_are_refused(text: str, edits: list[Edit]) -> None:
    with pytest.raises(BadPosition):
        splices_of(text, edits)


@pytest.mark.parametrize("edit", [Edit(2, 2, "x"), Edit(0, 2), Edit(2, 3)])
def test_edits_inside_a_character_are_refused(edit: Edit) -> None:
    with pytest.raises(BadPosition, match="inside a character"):
        splices_of("a😀c", [edit])


def test_a_text_of_line_ends_costs_no_more() -> None:
    text = "\n" * 262_144
    started = time.process_time()
    assert offset_of(text, Position(200_000, 0)) == 200_000
    assert position_of(text, 200_000) == Position(200_000, 0)
    assert time.process_time() - started < 0.05
