"""What is read out of somebody's presence, whatever stands there."""

from __future__ import annotations

from typing import Any

import pytest

from collab_core.relative_position import RelativePosition, read


@pytest.mark.parametrize(
    ("value", "position"),
    [
        ({"type": None, "tname": "t", "item": {"client": 1, "clock": 2}, "assoc": 0}, RelativePosition("t", (1, 2))),
        ({"item": {"client": 1, "clock": 2}}, RelativePosition(None, (1, 2))),
        ({"tname": "t"}, RelativePosition("t", None)),
        ({"tname": "t", "assoc": -1}, RelativePosition("t", None, leans_left=True)),
        ({"tname": 5, "item": {"client": 0, "clock": 0}, "assoc": "left"}, RelativePosition(None, (0, 0))),
    ],
)
def test_positions(value: dict[str, Any], position: RelativePosition) -> None:
    assert read(value) == position
    assert read(position.to_json()) == position


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "start",
        [],
        {},
        {"type": {"client": 1, "clock": 2}},
        {"tname": None, "item": None},
        {"tname": "t", "item": 7},
        {"tname": "t", "item": {}},
        {"tname": "t", "item": {"client": True, "clock": 0}},
        {"tname": "t", "item": {"client": 1, "clock": -1}},
        {"tname": "t", "item": {"client": 1, "clock": 1.5}},
        {"tname": "t", "item": {"client": 2**53, "clock": 0}},
        {"tname": "t", "item": {"client": 1, "clock": 2**31}},
    ],
)
def test_anything_else_is_no_position(value: object) -> None:
    assert read(value) is None
