"""A token bucket: how much a member may send."""

from __future__ import annotations


class TokenBucket:
    """`rate` tokens a second, at most `burst` of them saved up. Times are seconds of one monotonic clock."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Whether that many tokens were there; they are gone then."""
        available = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if available < tokens:
            self._tokens = available
            return False
        self._tokens = available - tokens
        return True
