"""Who is in which slot of a listener."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_sfu.assignment import assign

laws = settings(derandomize=True, deadline=None, max_examples=300)
numbers = st.integers(1, 8)


@pytest.mark.parametrize(
    ("current", "wanted", "own", "after"),
    [
        ([None, None, None], [5, 6, 7, 8], 0, [5, 6, 7]),
        ([None, None, None], [5, 6, 7, 8], 6, [5, 7, 8]),
        ([5, 6, 7], [7, 5, 9, 6], 0, [5, 9, 7]),
        ([5, 6, 7], [7, 5, 9, 6], 9, [5, 6, 7]),
        ([5, 6, 7], [], 0, [None, None, None]),
        ([5, None, 7], [7], 0, [None, None, 7]),
        ([None, None], [5, 5, 6], 0, [5, 6]),
        ([5, 5], [5], 0, [5, None]),
        ([5], [6, 7], 0, [6]),
        ([], [6, 7], 0, []),
    ],
)
def test_who_is_where(current: list[int | None], wanted: list[int], own: int, after: list[int | None]) -> None:
    assert assign(current, wanted, own) == after


@laws
@given(st.lists(st.none() | numbers, max_size=5), st.lists(numbers, max_size=8), st.integers(0, 8))
def test_whatever_the_choice_nobody_moves_hears_themselves_or_is_there_twice(
    current: list[int | None], wanted: list[int], own: int
) -> None:
    after = assign(current, wanted, own)
    there = [number for number in after if number is not None]
    loudest = [number for number in dict.fromkeys(wanted) if number != own][: len(current)]
    assert len(after) == len(current)
    assert sorted(there) == sorted(loudest)
    for place, number in enumerate(current):
        if number in loudest and current.index(number) == place:
            assert after[place] == number
    assert assign(after, wanted, own) == after
