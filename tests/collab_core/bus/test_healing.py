"""When something is asked for, and of whom: with a clock and dice that are written down."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import pytest

from collab_core.bus.healing import (
    AGAIN_SECONDS,
    FIRST_SECONDS,
    GIVE_UP_AFTER,
    LONGEST_SECONDS,
    Healing,
    Step,
)
from collab_core.bus.messages import Origin

ANA, BEN = Origin(UUID(int=1), 1), Origin(UUID(int=2), 1)
NOTHING: Mapping[int, int] = {}


def high() -> float:
    """Dice that always fall as late as can be."""
    return 1.0


def steps(healing: Healing, own: Mapping[int, int], times: int) -> tuple[list[Step], list[float]]:
    """What is done each time it is due, and the pauses before each."""
    done: list[Step] = []
    pauses: list[float] = []
    now = 0.0
    for _ in range(times):
        if healing.due is None:
            break
        pauses.append(healing.due - now)
        now = healing.due
        done.append(healing.step(own, now))
    return done, pauses


def assert_rests(healing: Healing) -> None:
    assert (healing.source, healing.due) == (None, None)


def test_where_nothing_is_missing_nothing_is_due() -> None:
    healing = Healing(high)
    healing.claim(ANA, {7: 10, 8: 3}, {7: 10, 8: 5}, 0.0)
    healing.compare(ANA, 0.0, differs=False)
    assert healing.due is None
    assert healing.step(NOTHING, 1000.0) is Step.NOTHING


@pytest.mark.parametrize(("die", "first"), [(0.0, 0.025), (0.5, 0.0625), (1.0, 0.1)])
def test_a_difference_has_a_short_and_random_while_to_go_by_itself(die: float, first: float) -> None:
    healing = Healing(lambda: die)
    healing.claim(ANA, {7: 10}, {7: 4}, 100.0)
    assert healing.due == pytest.approx(100.0 + first)
    assert healing.step({7: 4}, 100.0 + first - 0.001) is Step.NOTHING
    assert healing.step({7: 10}, 100.0 + first) is Step.NOTHING
    assert healing.due is None


def test_who_has_it_is_asked_twice_then_the_journal_is_read_and_pauses_double() -> None:
    healing = Healing(high)
    healing.claim(ANA, {7: 10}, NOTHING, 0.0)
    assert healing.source == ANA
    done, pauses = steps(healing, NOTHING, 7)
    assert done == [Step.ASK, Step.ASK, Step.READ, Step.ASK, Step.ASK, Step.READ, Step.ASK]
    assert pauses == pytest.approx(
        [2 * FIRST_SECONDS, *(min(AGAIN_SECONDS * 2**at, LONGEST_SECONDS) for at in range(6))]
    )


def test_the_dice_make_pauses_up_to_half_as_long() -> None:
    healing = Healing(lambda: 0.0)
    healing.claim(ANA, {7: 10}, NOTHING, 0.0)
    _, pauses = steps(healing, NOTHING, 4)
    assert pauses == pytest.approx([FIRST_SECONDS / 2, AGAIN_SECONDS / 2, AGAIN_SECONDS, 2 * AGAIN_SECONDS])


def test_what_came_is_not_wanted_any_more_and_the_rest_is() -> None:
    healing = Healing(high)
    healing.claim(ANA, {7: 10}, NOTHING, 0.0)
    healing.claim(BEN, {8: 2}, NOTHING, 0.0)
    assert healing.step(NOTHING, 0.1) is Step.ASK
    assert healing.source == ANA
    assert healing.due is not None
    assert healing.step({7: 12, 8: 1}, healing.due) is Step.ASK
    assert healing.source == BEN
    assert healing.step({7: 12, 8: 2}, healing.due) is Step.NOTHING
    assert_rests(healing)


def test_what_somebody_had_and_nobody_has_any_more_is_given_up() -> None:
    healing = Healing(high)
    healing.claim(ANA, {7: 10}, NOTHING, 0.0)
    done, _ = steps(healing, NOTHING, 100)
    assert len(done) == GIVE_UP_AFTER + 1
    assert done[-1] is Step.NOTHING
    assert_rests(healing)
    healing.claim(BEN, {7: 10}, NOTHING, 500.0)  # but somebody says so again
    assert healing.source == BEN
    assert healing.due == pytest.approx(500.0 + 2 * FIRST_SECONDS)


def test_if_the_one_who_had_it_is_gone_everybody_is_asked_and_then_who_also_has_it() -> None:
    healing = Healing(high)
    healing.claim(ANA, {7: 10}, NOTHING, 0.0)
    healing.gone(ANA)
    assert healing.source is None
    assert healing.step(NOTHING, 0.1) is Step.ASK
    healing.claim(BEN, {7: 9}, NOTHING, 0.2)  # not all of it
    assert healing.source is None
    healing.claim(BEN, {7: 10}, NOTHING, 0.2)
    assert healing.source == BEN


def test_who_has_more_is_asked_instead() -> None:
    healing = Healing(high)
    healing.claim(ANA, {7: 10}, NOTHING, 0.0)
    healing.claim(BEN, {7: 10}, NOTHING, 0.0)
    assert healing.source == ANA
    healing.claim(BEN, {7: 11}, NOTHING, 0.0)
    assert healing.source == BEN


def test_other_deletions_count_when_they_differ_twice_in_a_row() -> None:
    healing = Healing(high)
    healing.compare(ANA, 0.0, differs=True)
    healing.compare(ANA, 2.0, differs=False)
    healing.compare(ANA, 4.0, differs=True)
    healing.compare(BEN, 4.0, differs=True)
    assert_rests(healing)
    healing.compare(ANA, 6.0, differs=True)
    assert healing.source == ANA
    assert healing.due == pytest.approx(6.0 + 2 * FIRST_SECONDS)
    assert healing.step(NOTHING, 6.1) is Step.ASK
    # Asked once: the next digest tells whether it helped.
    assert healing.due is not None
    assert healing.step(NOTHING, healing.due) is Step.NOTHING
    healing.compare(ANA, 8.0, differs=True)
    assert healing.source == ANA
    assert healing.due == pytest.approx(8.0 + 2 * FIRST_SECONDS)
    healing.gone(ANA)
    assert healing.source is None


def test_after_losing_messages_everybody_is_asked_until_an_answer_came() -> None:
    healing = Healing(high)
    healing.lost(0.0)
    due = healing.due
    assert due == pytest.approx(2 * FIRST_SECONDS)
    healing.lost(0.05)  # it is due already, and stays when it was
    assert healing.due == due
    assert healing.source is None
    assert [healing.step(NOTHING, 4.0), healing.step(NOTHING, 4.5)] == [Step.ASK, Step.ASK]
    healing.helped(ANA)
    assert healing.step(NOTHING, 5.5) is Step.NOTHING
    assert healing.due is None


def test_whose_message_is_missing_is_asked_until_they_answered() -> None:
    healing = Healing(high)
    healing.claim(BEN, {7: 10}, NOTHING, 0.0)
    healing.missed(ANA, 0.0)
    assert healing.source == ANA
    healing.helped(BEN)
    assert healing.source == ANA
    healing.helped(ANA)
    assert healing.source == BEN
    healing.missed(ANA, 1.0)
    healing.gone(ANA)
    assert healing.source == BEN


def test_what_only_the_journal_knows_is_read_until_it_was_and_nobody_is_asked() -> None:
    healing = Healing(high)
    healing.unread(0.0, within=1.0)
    healing.helped(ANA)
    done, _ = steps(healing, NOTHING, 4)
    assert done == [Step.READ] * 4
    healing.read()
    assert healing.due is not None
    assert healing.step(NOTHING, healing.due) is Step.NOTHING
    assert healing.due is None


def test_a_room_that_stays_cut_off_for_days_goes_on_looking() -> None:
    healing = Healing(high)
    healing.lost(0.0)
    done, pauses = steps(healing, NOTHING, 5_000)
    assert done[-3:].count(Step.READ) == 1
    assert done.count(Step.NOTHING) == 0
    assert pauses[-1] == pytest.approx(LONGEST_SECONDS)


def test_once_healed_the_pauses_start_anew() -> None:
    healing = Healing(high)
    healing.claim(ANA, {7: 10}, NOTHING, 0.0)
    steps(healing, NOTHING, 6)
    assert healing.due is not None
    assert healing.step({7: 10}, healing.due) is Step.NOTHING
    healing.claim(ANA, {7: 11}, {7: 10}, 100.0)
    done, pauses = steps(healing, {7: 10}, 2)
    assert done == [Step.ASK, Step.ASK]
    assert pauses[1] == pytest.approx(AGAIN_SECONDS)
