"""When many want to come in at once: who is next, and how much of a node's time they may take, sans I/O.

After a node has died, or a network was away, thousands connect within a second. Letting one of them in costs about a
millisecond, so together they would take every turn of the event loop for seconds, and those who are in and type would
wait behind them. They wait in line instead, one line for each company, and are let in from one line after the other.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Lines(Generic[Item]):
    """Bounded lines of items that wait, by whose they are. Times are seconds of one clock."""

    def __init__(self, most: int, seconds: float) -> None:
        """At most `most` items in all lines together, each for at most `seconds`."""
        self._most = most
        self._seconds = seconds
        self._lines: OrderedDict[Hashable, deque[tuple[float, Item]]] = OrderedDict()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def join(self, whose: Hashable, item: Item, now: float) -> Item | None:
        """Let an item wait. If that is one too many, the last of the longest line is turned away, and returned: a
        company that is small finds a place however many another one sends."""
        self._lines.setdefault(whose, deque()).append((now, item))
        self._waiting += 1
        if self._waiting <= self._most:
            return None
        longest = max(self._lines, key=lambda each: len(self._lines[each]))
        return self._taken(longest, self._lines[longest].pop())

    def next(self) -> Item | None:
        """The first of the line whose turn it is; None if nobody waits."""
        if not self._lines:
            return None
        whose = next(iter(self._lines))
        self._lines.move_to_end(whose)
        return self._taken(whose, self._lines[whose].popleft())

    def overdue(self, now: float) -> list[Item]:
        """Take out those who have waited for too long."""
        found = []
        for whose, line in list(self._lines.items()):
            while line and now - line[0][0] >= self._seconds:
                found.append(self._taken(whose, line.popleft()))
        return found

    def _taken(self, whose: Hashable, entry: tuple[float, Item]) -> Item:
        self._waiting -= 1
        if not self._lines[whose]:
            del self._lines[whose]
        return entry[1]


class Budget:
    """Seconds of work, earned as time goes by. It can be overdrawn: what something costs is known afterwards."""

    def __init__(self, most: float, now: float) -> None:
        """At most `most` seconds are kept for later: as much as may be spent in one go."""
        self._most = most
        self._left = most
        self._at = now

    def earn(self, share: float, now: float) -> None:
        """Time went by, of which `share` may be spent."""
        self._left = min(self._most, self._left + (now - self._at) * share)
        self._at = now

    def spend(self, seconds: float) -> None:
        """That much was worked."""
        self._left -= seconds

    def wait(self, share: float) -> float:
        """Seconds until there is something to spend; 0.0 if there is now."""
        return max(0.0, -self._left / share)
