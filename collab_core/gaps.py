"""Updates of one member that wait for something the room does not have.

They are neither relayed nor journaled nor acknowledged. The sender is asked with a fresh SyncStep1, since a
stock client then supplies what is missing; a gap that is still there after two such rounds, or too long, or
too large, ends the connection, and the client's reconnect starts from a clean sync. Rounds and time count for
each update: a member whose gaps close again and again is well.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

ROUNDS = 2
"""SyncStep1s sent for one gap. One supplies what is missing; the second is for what raced with the first."""


HELD_UPDATES = 512
"""Updates one member may have waiting. Each is walked again whenever anything joins the room: 512 cost about 4 ms."""


class Held(NamedTuple):
    """A waiting update, the number it is acknowledged by, and whether it came as a SyncStep2."""

    update: bytes
    number: int
    answer: bool = False


class Step(Enum):
    """What the room has to do now."""

    NOTHING = auto()
    ASK = auto()
    """Send the member a SyncStep1."""
    GIVE_UP = auto()
    """Close the member with `CloseCode.GAP`."""


class Gaps:
    """One member's held updates and how often it was asked. Times are seconds of any monotonic clock."""

    __slots__ = ("_asked", "_bytes", "_limit_bytes", "_limit_seconds", "_rounds", "_since", "held")

    def __init__(self, limit_bytes: int, limit_seconds: float) -> None:
        self.held: list[Held] = []
        self._bytes = 0
        self._asked = False
        self._since: dict[int, float] = {}  # number -> when it came
        self._rounds: dict[int, int] = {}  # number -> SyncStep2s that did not bring what it lacks
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds

    def __bool__(self) -> bool:
        return bool(self.held)

    def hold(self, held: Held, now: float) -> Step:
        """Keep an update that lacks a dependency."""
        self.held.append(held)
        self._since[held.number] = now
        self._rounds[held.number] = 0
        self._bytes += len(held.update)
        if self._bytes > self._limit_bytes or len(self.held) > HELD_UPDATES:
            return Step.GIVE_UP
        if self._asked:
            return Step.NOTHING
        self._asked = True
        return Step.ASK

    def answered(self) -> Step:
        """The member's SyncStep2 was taken, as far as it could be. Is there still a gap?"""
        if not self.held:
            return Step.NOTHING
        for held in self.held:
            self._rounds[held.number] += 1
        if max(self._rounds.values()) >= ROUNDS:
            return Step.GIVE_UP
        self._asked = True
        return Step.ASK

    def replace(self, held: list[Held]) -> None:
        """What still waits after the room moved on."""
        self.held = held
        self._bytes = sum(len(entry.update) for entry in held)
        self._since = {entry.number: self._since[entry.number] for entry in held}
        self._rounds = {entry.number: self._rounds[entry.number] for entry in held}
        if not held:
            self._asked = False

    def overdue(self, now: float) -> bool:
        """Whether the oldest gap has been open too long."""
        return bool(self.held) and now - min(self._since.values()) > self._limit_seconds
