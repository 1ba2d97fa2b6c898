"""Who is in a room: people, not connections, on whichever node. Pure; times are the caller's monotonic seconds.

Somebody with three tabs is one person, and somebody with one here and one on another node is, too. Somebody whose last
connection dropped keeps the place for a grace period, and has not left until it is over: phones drop and come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from collab_core.bus.messages import Origin
from edge.live.place import Place, Standing

GRACE_SECONDS: Final = 30.0
"""How long a lost connection keeps its place and role."""

_RANK: Final = {Standing.HOST: 0, Standing.PARTICIPANT: 1, Standing.OBSERVER: 2}


class Elsewhere(NamedTuple):
    """Somebody who is connected to another node, as that node says."""

    user: UUID
    name: str
    standing: Standing
    guest: bool
    active_at: float


@dataclass(slots=True)
class Person:
    """Somebody in the room."""

    user: UUID
    name: str
    guest: bool
    places: dict[int, Place] = field(default_factory=dict)
    """By number, of the connections to this node."""
    elsewhere: dict[Origin, Standing] = field(default_factory=dict)
    """By node, what they are on the others."""
    standing: Standing = Standing.OBSERVER
    gone_at: float | None = None
    """When the last connection dropped; None while there is one."""
    active_at: float = 0.0

    @property
    def here(self) -> bool:
        """Whether there is a connection to this node."""
        return bool(self.places)

    @property
    def standing_here(self) -> Standing:
        """What the person is on this node; only of one who is `here`."""
        return _best(place.standing for place in self.places.values())

    @property
    def connected(self) -> bool:
        return bool(self.places or self.elsewhere)


class Attendance:
    """The people of one room."""

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self.people: dict[UUID, Person] = {}
        self._grace = grace
        self._heard: dict[Origin, float] = {}
        """Other nodes, and when each last said who is there."""

    def arrive(self, number: int, user: UUID, name: str, place: Place, now: float) -> bool:
        """Connection `number` of `user` is here. Whether the list of people changed."""
        person = self.people.get(user)
        before = None if person is None else _shown(person)
        if person is None:
            person = self.people[user] = Person(user, name, place.guest)
        person.name = name
        person.places[number] = place
        person.active_at = now
        _settle(person, now)
        return before != _shown(person)

    def drop(self, number: int, user: UUID, now: float) -> bool:
        """The connection is gone. Whether the list of people changed; the person stays in it for now."""
        person = self.people.get(user)
        if person is None or number not in person.places:
            return False
        before = _shown(person)
        del person.places[number]
        _settle(person, now)
        return before != _shown(person)

    def move(self, number: int, user: UUID, place: Place, now: float) -> bool:
        """The connection is something else in the dojo now. Whether the list of people changed."""
        person = self.people.get(user)
        if person is None or number not in person.places:
            return False
        before = _shown(person)
        person.places[number] = place
        _settle(person, now)
        return before != _shown(person)

    def heard(self, user: UUID, at: float) -> None:
        """The person did something."""
        person = self.people.get(user)
        if person is not None:
            person.active_at = max(person.active_at, at)

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

    @property
    def here(self) -> Iterator[Person]:
        """Whoever has a connection to this node."""
        return (person for person in self.people.values() if person.here)

    # Other nodes

    def told(self, node: Origin, people: Iterable[Elsewhere], now: float) -> bool:
        """These are connected to another node, and nobody else is. Whether the list of people changed."""
        self._heard[node] = now
        there = {one.user: one for one in people}
        changed = self._forget(node, now, still=there.keys())
        for one in there.values():
            person = self.people.get(one.user)
            before = None if person is None else _shown(person)
            if person is None:
                person = self.people[one.user] = Person(one.user, one.name, one.guest)
            if not person.here:
                person.name = one.name
            person.active_at = max(person.active_at, one.active_at)
            person.elsewhere[node] = one.standing
            _settle(person, now)
            changed |= before != _shown(person)
        return changed

    def lost(self, node: Origin, now: float) -> bool:
        """Nothing is known of that node any more: its people's connections count as lost. Whether the list changed."""
        return self._heard.pop(node, None) is not None and self._forget(node, now)

    def silent(self, seconds: float, now: float) -> list[Origin]:
        """The nodes that have said nothing for so long."""
        return [node for node, heard in self._heard.items() if now - heard > seconds]

    @property
    def nodes(self) -> list[Origin]:
        """The nodes that have said who is there."""
        return list(self._heard)

    def _forget(self, node: Origin, now: float, still: Iterable[UUID] = ()) -> bool:
        changed = False
        keep = set(still)
        for person in self.people.values():
            if node in person.elsewhere and person.user not in keep:
                before = _shown(person)
                del person.elsewhere[node]
                _settle(person, now)
                changed |= before != _shown(person)
        return changed


def _shown(person: Person) -> tuple[str, Standing, bool]:
    return person.name, person.standing, person.connected


def _best(standings: Iterable[Standing]) -> Standing:
    return min(standings, key=_RANK.__getitem__)


def _settle(person: Person, now: float) -> None:
    """The best of what the connections are: a second window that only looks on takes nothing away. Without any, what
    the person was stays for the grace."""
    standings = [*(place.standing for place in person.places.values()), *person.elsewhere.values()]
    if standings:
        person.standing = _best(standings)
        person.gone_at = None
    elif person.gone_at is None:
        person.gone_at = now
