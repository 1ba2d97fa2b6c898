"""When a room flushes: at once while it is quiet, in windows while it is busy.

The first update after a pause goes out in the same pass of the event loop. While updates keep coming, the next
flush waits in proportion to what the last ones cost, so that N writers and M readers cost M frames per window
instead of N x M, and a flush that gets more expensive happens less often.
"""

from __future__ import annotations


class FlushWindow:
    """Leading edge, then at most one flush per window. Times are seconds of one monotonic clock.

    `pause_per_cost` is how long to wait after a flush, in multiples of what flushes cost lately: 1.0 lets
    flushing take at most half of the time. `floor` and `ceiling` bound the wait.
    """

    __slots__ = ("_ceiling", "_cost", "_floor", "_next", "_pause_per_cost")

    def __init__(self, *, pause_per_cost: float, floor: float, ceiling: float) -> None:
        self._pause_per_cost = pause_per_cost
        self._floor = floor
        self._ceiling = ceiling
        self._cost = 0.0
        self._next = 0.0

    def delay(self, now: float) -> float:
        """Seconds until the next flush may start; 0 when it may start now."""
        return max(0.0, self._next - now)

    def flushed(self, started: float, ended: float, times: int = 1) -> None:
        """A flush ran, and costs the same `times` over, on other nodes. The cost is smoothed over about four, so that
        one hiccup does not widen the window."""
        self._cost += (ended - started - self._cost) / 4
        self._next = ended + min(self._ceiling, max(self._floor, self._cost * times * self._pause_per_cost))
