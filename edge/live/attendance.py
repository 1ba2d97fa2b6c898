"""Who is in a room: people, not connections. Pure; times are the caller's monotonic seconds.

Somebody with three tabs is one person. Somebody whose last connection dropped keeps the place for a grace period, and
has not left until it is over: phones drop and come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from edge.live.place import Place, Standing

GRACE_SECONDS: Final = 30.0
"""How long a lost connection keeps its place and role."""

_RANK: Final = {Standing.HOST: 0, Standing.PARTICIPANT: 1, Standing.OBSERVER: 2}


@dataclass(slots=True)
class Person:
    """Somebody in the room."""

    user: UUID
    name: str
    guest: bool
    places: dict[int, Place] = field(default_factory=dict)
    """By connection number."""
    standing: Standing = Standing.OBSERVER
    gone_at: float | None = None
    """When the last connection dropped; None while there is one."""
    active_at: float = 0.0

    @property
    def connected(self) -> bool:
        return bool(self.places)


class Attendance:
    """The people of one room."""

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self.people: dict[UUID, Person] = {}
        self._grace = grace

    def arrive(self, number: int, user: UUID, name: str, place: Place, now: float) -> bool:
        """Connection `number` of `user` is here. Whether the list of people changed."""
        person = self.people.get(user)
        before = None if person is None else (person.name, person.standing, person.connected)
        if person is None:
            person = self.people[user] = Person(user, name, place.guest)
        person.name = name
        person.places[number] = place
        person.gone_at = None
        person.active_at = now
        _settle(person)
        return before != (person.name, person.standing, True)

    def drop(self, number: int, user: UUID, now: float) -> bool:
        """The connection is gone. Whether the list of people changed; the person stays in it for now."""
        person = self.people.get(user)
        if person is None or person.places.pop(number, None) is None:
            return False
        if not person.places:
            person.gone_at = now
            return True
        before = person.standing
        _settle(person)
        return person.standing is not before

    def move(self, number: int, user: UUID, place: Place) -> bool:
        """The connection is something else in the dojo now. Whether the list of people changed."""
        person = self.people.get(user)
        if person is None or number not in person.places:
            return False
        before = person.standing
        person.places[number] = place
        _settle(person)
        return person.standing is not before

    def remove(self, user: UUID) -> bool:
        """Sent away: no grace. Whether the list of people changed."""
        return self.people.pop(user, None) is not None

    def leave(self, now: float) -> list[UUID]:
        """Take out those whose grace is over, and say who they are."""
        gone = [
            user
            for user, person in self.people.items()
            if person.gone_at is not None and now - person.gone_at >= self._grace
        ]
        for user in gone:
            del self.people[user]
        return gone

    @property
    def next_leave(self) -> float | None:
        """When somebody's grace is over; None while all are connected."""
        times = [person.gone_at for person in self.people.values() if person.gone_at is not None]
        return min(times) + self._grace if times else None

    def connected(self) -> Iterable[UUID]:
        """Whoever has a connection."""
        return (user for user, person in self.people.items() if person.connected)


def _settle(person: Person) -> None:
    """The best of what the connections are: a second window that only looks on takes nothing away."""
    person.standing = min((place.standing for place in person.places.values()), key=_RANK.__getitem__)
