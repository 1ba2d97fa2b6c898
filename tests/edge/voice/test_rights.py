from __future__ import annotations

from uuid import UUID

import pytest

from edge.dojos.turns.state import TurnState
from edge.voice.rights import Rights, rights_of

PILOT, COPILOT, SENSEI, ANA = (UUID(int=number) for number in range(1, 5))
TURN = TurnState(pilot=PILOT, copilot=COPILOT, sensei=SENSEI)


def of(
    user: UUID, *, observes: bool = False, muted: bool = False, green_only: bool = False, green: bool | None = None
) -> Rights:
    return rights_of(user, observes=observes, muted=muted, turn=TURN, green_only=green_only, green=green)


def test_pilot_and_sensei_are_preferred() -> None:
    assert [of(user).preferred for user in (PILOT, COPILOT, SENSEI, ANA)] == [True, False, True, False]


def test_observers_listen_whatever_they_are() -> None:
    assert not of(ANA, observes=True).may_speak
    assert not of(SENSEI, observes=True).may_speak


@pytest.mark.parametrize(("green", "may"), [(None, True), (True, True), (False, False)])
def test_on_green_only_the_rest_is_silent_while_it_is_red(green: bool | None, may: bool) -> None:
    assert of(ANA, green_only=True, green=green).may_speak is may
    assert all(of(user, green_only=True, green=green).may_speak for user in (PILOT, COPILOT, SENSEI))
    assert of(ANA, green=green).may_speak


def test_muted_is_muted() -> None:
    assert of(PILOT, muted=True) == Rights(may_speak=True, muted=True, preferred=True)
