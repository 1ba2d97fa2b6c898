"""What may be told a member as saved.

Every SyncStep2 and Update a connection sends is numbered from 1 on both sides. A number is *placed* at the
position of the room's journal feed that holds it and all it depends on, and `saved {upTo: n}` means that the
journal has committed every number up to n.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque


class SavedLedger:
    """One member's numbers. Positions never fall: each is the feed's end at the time of placing."""

    __slots__ = ("_pending", "_waiting", "received", "up_to")

    def __init__(self) -> None:
        self.received = 0
        """How many sync updates came so far."""
        self.up_to = 0
        """What was told last."""
        self._pending: deque[tuple[int, int]] = deque()  # (number, position), both rising
        self._waiting: list[int] = []  # rising; numbers not placed yet

    @property
    def settled(self) -> bool:
        """Whether everything received has been told as saved."""
        return self.up_to == self.received

    def receive(self) -> int:
        """Count one more; returns its number."""
        self.received += 1
        return self.received

    def place(self, number: int, position: int) -> None:
        """A number higher than all placed so far is in the feed at `position`."""
        pending = self._pending
        if pending and pending[-1][1] == position and not self._waits_between(pending[-1][0], number):
            pending.pop()  # nothing was journaled in between: one commit answers both
        pending.append((number, position))

    def _waits_between(self, number: int, later: int) -> bool:
        """Whether one waits that holds up `later` and not `number`."""
        at = bisect_right(self._waiting, number)
        return at < len(self._waiting) and self._waiting[at] < later

    def wait(self, number: int) -> None:
        """The newest number lacks a dependency, or the room takes no edits at the moment."""
        self._waiting.append(number)

    def settle(self, number: int, position: int) -> None:
        """A waiting number was taken after all. Later ones cannot be told before it, so they share its position."""
        self._waiting.remove(number)
        later = [number]
        while self._pending and self._pending[-1][0] > number:
            later.append(self._pending.pop()[0])
        for each in sorted(later):
            self.place(each, position)

    def settle_all(self, position: int) -> None:
        """A complete SyncStep2 was taken: it holds everything the member sent before it."""
        if self._waiting:
            first, last = self._waiting[0], self._waiting[-1]
            self._waiting = []
            while self._pending and self._pending[-1][0] > first:
                last = max(last, self._pending.pop()[0])
            self.place(last, position)

    def committed(self, position: int) -> int | None:
        """The journal has committed up to `position`. Returns a new `upTo`, or `None` if nothing changed."""
        limit = self._waiting[0] if self._waiting else self.received + 1
        up_to = self.up_to
        pending = self._pending
        while pending and pending[0][1] <= position and pending[0][0] < limit:
            up_to = pending.popleft()[0]
        if up_to == self.up_to:
            return None
        self.up_to = up_to
        return up_to
