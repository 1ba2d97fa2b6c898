"""Updates of one member that wait for something the room does not have.

They are neither relayed nor journaled nor acknowledged. The sender is asked with a fresh SyncStep1, since a
stock client then supplies what is missing; a gap that is still there after two such rounds, or too long, or
too large, ends the connection, and the client's reconnect starts from a clean sync.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

ROUNDS = 2
"""SyncStep1s sent for one gap. One supplies what is missing; the second is for what raced with the first."""


class Held(NamedTuple):
    """A waiting update, and the number it is acknowledged by (0: the rest of a SyncStep2, covered by the next)."""

    update: bytes
    number: int


class Step(Enum):
    """What the room has to do now."""

    NOTHING = auto()
    ASK = auto()
    """Send the member a SyncStep1."""
    GIVE_UP = auto()
    """Close the member with `CloseCode.GAP`."""


class Gaps:
    """One member's held updates and how often it was asked. Times are seconds of any monotonic clock."""

    __slots__ = ("_asked", "_bytes", "_limit_bytes", "_limit_seconds", "_since", "held")

    def __init__(self, limit_bytes: int, limit_seconds: float) -> None:
        self.held: list[Held] = []
        self._bytes = 0
        self._asked = 0
        self._since = 0.0
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds

    def __bool__(self) -> bool:
        return bool(self.held)

    def hold(self, held: Held, now: float) -> Step:
        """Keep an update that lacks a dependency."""
        if not self.held:
            self._since = now
        self.held.append(held)
        self._bytes += len(held.update)
        if self._bytes > self._limit_bytes:
            return Step.GIVE_UP
        if self._asked == 0:
            self._asked = 1
            return Step.ASK
        return Step.NOTHING

    def answered(self) -> Step:
        """The member's SyncStep2 was taken, as far as it could be. Is there still a gap?"""
        if not self.held:
            return Step.NOTHING
        if self._asked >= ROUNDS:
            return Step.GIVE_UP
        self._asked += 1
        return Step.ASK

    def replace(self, held: list[Held]) -> None:
        """What still waits after the room moved on."""
        self.held = held
        self._bytes = sum(len(entry.update) for entry in held)
        if not held:
            self._asked = 0

    def overdue(self, now: float) -> bool:
        """Whether the oldest gap has been open too long."""
        return bool(self.held) and now - self._since > self._limit_seconds
