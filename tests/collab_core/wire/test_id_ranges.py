"""Ranges of clocks against a plain set of clocks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_core.wire.id_ranges import IdRanges, Range

laws = settings(derandomize=True, deadline=None, max_examples=300)

spans = st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda span: (span[0], span[0] + span[1]))


def clocks(ranges: list[Range]) -> set[int]:
    return {clock for start, end in ranges for clock in range(start, end)}


def canonical(members: set[int]) -> list[Range]:
    """Sorted, disjoint and not adjacent: the only way to write a set as ranges."""
    starts = sorted(clock for clock in members if clock - 1 not in members)
    ends = sorted(clock + 1 for clock in members if clock + 1 not in members)
    return list(zip(starts, ends, strict=True))


@laws
@given(st.lists(spans, max_size=25))
def test_added_ranges_are_the_union(added: list[Range]) -> None:
    ranges = IdRanges()
    members: set[int] = set()
    for span in added:
        ranges.add(*span)
        members |= clocks([span])
        assert list(ranges) == canonical(members)
    assert bool(ranges) == bool(members)


@laws
@given(st.lists(spans, max_size=12), spans)
def test_covers_and_missing_are_the_difference(added: list[Range], asked: Range) -> None:
    ranges = IdRanges(added)
    members = clocks(added)
    missing = clocks([asked]) - members
    assert ranges.covers(*asked) == (not missing)
    assert ranges.missing(*asked) == canonical(missing)


@laws
@given(st.lists(spans, max_size=12), st.randoms(use_true_random=False))
def test_equality_is_by_content_whatever_the_order(added: list[Range], random: object) -> None:
    shuffled = sorted(added, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert IdRanges(added) == IdRanges(shuffled)


def test_the_common_case_grows_the_last_range() -> None:
    ranges = IdRanges([(0, 1)])
    ranges.add(1, 2)
    ranges.add(3, 4)
    assert repr(ranges) == "IdRanges([(0, 2), (3, 4)])"


def test_different_sets_are_not_equal() -> None:
    assert IdRanges([(0, 2)]) != IdRanges([(0, 3)])
    assert IdRanges([(0, 2)]) != [(0, 2)]


def test_a_mutable_set_has_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(IdRanges())
