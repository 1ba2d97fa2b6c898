"""Who makes the engine fail, and how often: a rebuild costs milliseconds, so it has a bound per user and room."""

from __future__ import annotations

from collections import deque
from uuid import UUID

WINDOW_SECONDS = 600.0
"""A fault counts for ten minutes."""


class Faults:
    """Engine faults of one room. Times are seconds of one monotonic clock."""

    def __init__(self, *, per_user: int, per_room: int) -> None:
        self._per_user = per_user
        self._per_room = per_room
        self._recent: deque[tuple[float, UUID]] = deque(maxlen=max(per_user, per_room) * 4)

    def record(self, user: UUID, now: float) -> None:
        """One more fault."""
        self._recent.append((now, user))

    def banned(self, user: UUID, now: float) -> bool:
        """Whether the user has caused too many to be let in."""
        self._forget(now)
        return sum(1 for _, who in self._recent if who == user) >= self._per_user

    def exhausted(self, now: float) -> bool:
        """Whether the room has had too many to take edits at the moment."""
        self._forget(now)
        return len(self._recent) >= self._per_room

    def _forget(self, now: float) -> None:
        while self._recent and now - self._recent[0][0] > WINDOW_SECONDS:
            self._recent.popleft()
