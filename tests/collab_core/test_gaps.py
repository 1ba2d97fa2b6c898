"""What waits for a dependency: asked for twice, bounded in bytes, number and time."""

from __future__ import annotations

import pytest

from collab_core.gaps import HELD_UPDATES, Gaps, Held, Step

LIMIT_BYTES = 100
LIMIT_SECONDS = 20.0


@pytest.fixture
def gaps() -> Gaps:
    return Gaps(LIMIT_BYTES, LIMIT_SECONDS)


def held(number: int, size: int = 10) -> Held:
    return Held(bytes(size), number)


def test_without_a_gap_there_is_nothing_to_do(gaps: Gaps) -> None:
    assert not gaps
    assert gaps.answered() is Step.NOTHING
    assert not gaps.overdue(1e9)


def test_the_first_update_of_a_gap_asks_and_the_next_do_not(gaps: Gaps) -> None:
    assert gaps.hold(held(1), 0.0) is Step.ASK
    assert gaps.hold(held(2), 0.1) is Step.NOTHING
    assert gaps
    assert gaps.held == [held(1), held(2)]


def test_a_gap_that_survives_two_rounds_ends_it(gaps: Gaps) -> None:
    assert gaps.hold(held(1), 0.0) is Step.ASK
    assert gaps.answered() is Step.ASK
    assert gaps.answered() is Step.GIVE_UP


def test_a_gap_that_closes_is_forgotten(gaps: Gaps) -> None:
    gaps.hold(held(1), 0.0)
    assert gaps.answered() is Step.ASK
    gaps.replace([])
    assert gaps.answered() is Step.NOTHING
    assert gaps.hold(held(2), 1.0) is Step.ASK
    assert gaps.answered() is Step.ASK
    assert gaps.answered() is Step.GIVE_UP


def test_rounds_count_for_each_update(gaps: Gaps) -> None:
    """A busy member whose gaps close one after the other, but never all at once, is well."""
    gaps.hold(held(1), 0.0)
    for number in range(2, 50):
        gaps.hold(held(number), float(number))
        gaps.replace([held(number)])
        assert gaps.answered() is Step.ASK


def test_time_counts_for_each_update(gaps: Gaps) -> None:
    gaps.hold(held(1), 0.0)
    gaps.hold(held(2), 15.0)
    assert not gaps.overdue(LIMIT_SECONDS)
    assert gaps.overdue(LIMIT_SECONDS + 0.1)
    gaps.replace([held(2)])
    assert not gaps.overdue(LIMIT_SECONDS + 0.1)
    assert not gaps.overdue(35.0)
    assert gaps.overdue(35.1)


def test_what_joined_in_part_keeps_its_time_and_rounds(gaps: Gaps) -> None:
    gaps.hold(held(1, 50), 0.0)
    assert gaps.answered() is Step.ASK
    gaps.replace([held(1, 20)])
    assert gaps.overdue(LIMIT_SECONDS + 0.1)
    assert gaps.answered() is Step.GIVE_UP


def test_bytes_are_bounded(gaps: Gaps) -> None:
    gaps.hold(held(1, 60), 0.0)
    assert gaps.hold(held(2, 40), 0.0) is Step.NOTHING
    assert gaps.hold(held(3, 1), 0.0) is Step.GIVE_UP


def test_bytes_are_given_back(gaps: Gaps) -> None:
    gaps.hold(held(1, 60), 0.0)
    gaps.hold(held(2, 40), 0.0)
    gaps.replace([held(2, 40)])
    assert gaps.hold(held(3, 60), 0.0) is Step.NOTHING
    assert gaps.hold(held(4, 1), 0.0) is Step.GIVE_UP


def test_one_update_over_the_bound_ends_it_at_once(gaps: Gaps) -> None:
    assert gaps.hold(held(1, LIMIT_BYTES + 1), 0.0) is Step.GIVE_UP


def test_the_number_of_updates_is_bounded() -> None:
    gaps = Gaps(1_000_000, LIMIT_SECONDS)
    steps = [gaps.hold(held(number, 1), 0.0) for number in range(1, HELD_UPDATES + 2)]
    assert steps == [Step.ASK, *[Step.NOTHING] * (HELD_UPDATES - 1), Step.GIVE_UP]
