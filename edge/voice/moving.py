"""The rule for people whose SFU is gone: who is taken for gone, who is told, and when they come again.

They are told at once, and each with a pause of its own before it makes a new offer: so all know what goes on within
three seconds (1.5 of a lease, two looks), and the other SFUs meet no more at a time than they can connect.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

LOOK_SECONDS: Final = 0.5
"""Between two looks at the leases."""
MISSED: Final = 2
"""Looks in a row that find no lease before an SFU is taken for gone: one may come when Redis has just begun anew."""
SPREAD_SECONDS: Final = 2.0
"""Over which people come again, if they are many..."""
SPREAD_PER_PERSON_SECONDS: Final = 0.003
"""...or over so much of each, if they are few: a connection takes an SFU some 2 ms."""

Someone = TypeVar("Someone")


@dataclass(frozen=True, slots=True)
class Move(Generic[Someone]):
    """Somebody is to make a new offer after `pause` seconds."""

    person: Someone
    pause: float


class Moving:
    """`look` in regular intervals, and `moves` for the people of whatever it finds gone."""

    def __init__(self, dice: Callable[[], float] = random.random) -> None:
        """`dice` gives numbers from 0 to 1."""
        self._dice = dice
        self._missed: dict[str, int] = {}

    def look(self, alive: Mapping[str, bool]) -> list[str]:
        """`alive`: whether each SFU that anybody here is on has a lease now; not called while nobody can tell. Those
        that are gone, each told once: one that has a lease again may be lost again."""
        self._missed = {name: 0 if lives else self._missed.get(name, 0) + 1 for name, lives in alive.items()}
        return [name for name, missed in self._missed.items() if missed == MISSED]

    def moves(self, people: Collection[Someone]) -> list[Move[Someone]]:
        """Everyone once, in no order, evenly spread: no two moments have more than a few of them."""
        spread = min(SPREAD_SECONDS, SPREAD_PER_PERSON_SECONDS * len(people))
        share = spread / max(1, len(people))
        ordered = sorted(people, key=lambda _: self._dice())
        return [Move(person, (place + self._dice()) * share) for place, person in enumerate(ordered)]
