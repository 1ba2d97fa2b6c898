"""How often something may be done: a token bucket that remembers one time (GCRA, the leaky bucket of ITU-T I.371)."""

from __future__ import annotations


class Budget:
    """`burst` at once, `per_second` in the long run."""

    __slots__ = ("_burst", "_full_at", "_pause")

    def __init__(self, per_second: float, burst: float) -> None:
        self._pause = 1 / per_second
        self._burst = burst / per_second
        self._full_at = float("-inf")

    def take(self, now: float) -> bool:
        """Whether it may be done once more at `now`, seconds of a monotonic clock."""
        full_at = max(self._full_at, now) + self._pause
        if full_at > now + self._burst + 1e-9:  # or rounding takes one of a full budget
            return False
        self._full_at = full_at
        return True
