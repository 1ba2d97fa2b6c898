"""How often a room says what it has, and looks into the journal. Pure: the clock and the dice are passed in."""

from __future__ import annotations

from collections.abc import Callable

from collab_core.tuning import Tuning


class Pace:
    """One room's. Times are seconds of a monotonic clock; `dice` gives numbers from 0 to 1, evenly, so that rooms that
    opened together do not speak together."""

    def __init__(self, tuning: Tuning, now: float, dice: Callable[[], float]) -> None:
        self._tuning = tuning
        self._dice = dice
        self.digest_at = now + tuning.digest_seconds * dice()
        """When to say next what the room has."""
        self._audit_at = now + tuning.audit_seconds * dice()
        self._active_until = 0.0

    def active(self, now: float, *, shared: bool) -> bool:
        """Somebody typed. True if it is time to say sooner what the room has: it was quiet, and is on other nodes too
        (`shared`). Nobody waits for the digests of a room that is on this node alone."""
        was_quiet = now >= self._active_until
        self._active_until = now + self._tuning.active_seconds
        if not was_quiet or not shared:
            return False
        self.digest_at = min(self.digest_at, now + self._spread(self._tuning.digest_seconds))
        return True

    def hurry(self, now: float, within: float) -> None:
        """Say it at a random moment `within` so many seconds, if not sooner."""
        self.digest_at = min(self.digest_at, now + within * self._dice())

    def said(self, now: float, *, shared: bool, busy: bool) -> None:
        """It was said. `busy`: something is to be watched closely though nobody types."""
        busy = busy or (shared and now < self._active_until)
        seconds = self._tuning.digest_seconds if busy else self._tuning.idle_digest_seconds
        self.digest_at = now + self._spread(seconds)

    def audits(self, now: float) -> bool:
        """Whether it is time to compare a room in which somebody types with the journal."""
        return now >= self._audit_at and now < self._active_until

    def audited(self, now: float) -> None:
        """The journal is being read."""
        self._audit_at = now + self._tuning.audit_seconds * (0.5 + self._dice())

    def _spread(self, seconds: float) -> float:
        return seconds * (0.8 + 0.4 * self._dice())
