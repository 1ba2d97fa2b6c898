from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dojos.turns.rotation import Pair, rotated, swapped
from edge.dojos.turns.state import Rotation
from tests.edge.dojos.turns.people import ANA, BIA, CAIO, DORA, EVA

ALL = (ANA, BIA, CAIO, DORA)
NAMES = {ANA: "A", BIA: "B", CAIO: "C", DORA: "D", EVA: "E", None: "-"}


def turns(rotation: Rotation, people: tuple[UUID, ...], count: int) -> str:
    """Pilot and copilot of each turn, from the first two on."""
    pair = Pair(people[0], people[1] if len(people) > 1 else None, people)
    shown = []
    for number in range(1, count + 1):
        shown.append(NAMES[pair.pilot] + NAMES[pair.copilot])
        pair = rotated(rotation, pair.order, people, pair.pilot, pair.copilot, turn_number=number)
    return " ".join(shown)


@pytest.mark.parametrize(
    ("rotation", "people", "expected"),
    [
        (Rotation.BY_COPILOT, ALL, "AB BC CD DA AB BC"),
        (Rotation.BY_QUEUE, ALL, "AB CA DC BD AB CA"),
        (Rotation.BY_COPILOT, ALL[:3], "AB BC CA AB BC CA"),
        (Rotation.BY_QUEUE, ALL[:3], "AB CA BC AB CA BC"),
        (Rotation.BY_COPILOT, ALL[:2], "AB BA AB BA AB BA"),
        (Rotation.BY_QUEUE, ALL[:2], "AB BA AB BA AB BA"),
        (Rotation.RANDOM, ALL[:2], "AB BA AB BA AB BA"),
        (Rotation.BY_COPILOT, ALL[:1], "A- A- A- A- A- A-"),
        (Rotation.BY_QUEUE, ALL[:1], "A- A- A- A- A- A-"),
        (Rotation.RANDOM, ALL[:1], "A- A- A- A- A- A-"),
    ],
)
def test_the_orders_that_are_in_use(rotation: Rotation, people: tuple[UUID, ...], expected: str) -> None:
    assert turns(rotation, people, 6) == expected


def test_who_is_away_is_passed_over_and_keeps_their_place() -> None:
    pair = rotated(Rotation.BY_COPILOT, ALL, (ANA, BIA, DORA), ANA, BIA, turn_number=1)
    assert pair == Pair(BIA, DORA, (BIA, CAIO, DORA, ANA))
    pair = rotated(Rotation.BY_COPILOT, ALL, (ANA, CAIO), ANA, BIA, turn_number=1)
    assert (pair.pilot, pair.copilot) == (CAIO, ANA)


def test_a_draw_is_the_same_on_every_node_and_never_who_just_piloted() -> None:
    drawn = [rotated(Rotation.RANDOM, ALL, ALL, ANA, BIA, turn_number=number) for number in range(200)]
    assert drawn == [
        rotated(Rotation.RANDOM, ALL, reversed(ALL), ANA, BIA, turn_number=number) for number in range(200)
    ]
    assert {pair.pilot for pair in drawn} == {BIA, CAIO, DORA}
    assert ANA not in {pair.copilot for pair in drawn}


def test_a_pair_changes_over_and_others_only_fill_a_gap() -> None:
    assert swapped(ALL, ALL, ANA, BIA) == Pair(BIA, ANA, ALL)
    assert swapped(ALL, (ANA, CAIO, DORA), ANA, BIA) == Pair(CAIO, ANA, ALL)
    assert swapped(ALL, (ANA,), ANA, BIA) == Pair(ANA, None, ALL)
    assert swapped(ALL, (), ANA, BIA) == Pair(None, None, ALL)


@given(st.sets(st.sampled_from(ALL)), st.sampled_from(Rotation), st.sampled_from(ALL), st.integers(0, 99))
def test_only_who_is_present_is_chosen_and_the_queue_loses_nobody(
    present: set[UUID], rotation: Rotation, pilot: UUID, number: int
) -> None:
    copilot = ALL[(ALL.index(pilot) + 1) % 4]
    for pair in (
        rotated(rotation, ALL, present, pilot, copilot, turn_number=number),
        swapped(ALL, present, pilot, copilot),
    ):
        assert sorted(pair.order) == sorted(ALL)
        assert (pair.pilot is None) == (not present)
        assert {pair.pilot, pair.copilot} - {None} <= present
        assert pair.copilot is None or pair.copilot != pair.pilot
        assert (pair.copilot is None) == (len(present) < 2)
