"""Where connections wait until the node has time for them (`collab_core.storm`).

While there is time nobody waits: a request is read and its admission begun in the callback that received it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Protocol

from collab_core.limits import Limits
from collab_core.metrics import EngineMetrics
from collab_core.storm import Budget, Lines
from collab_core.timed import Timed

IN_ONE_GO: Final = 0.002
"""Seconds of work between two turns of the event loop: so long an edit waits behind newcomers, at worst some."""
EVERYTHING: Final = 0.9
"""The share while nobody is in who could wait for it."""
AT_ONCE: Final = 32
"""Admissions under way. They share few connections of the database's pool, and wait for one for two seconds at most."""
PLACE_SECONDS: Final = 0.5
"""How long an admission counts as one of those: one that is held at the door for seconds needs nothing meanwhile."""
LOOK_SECONDS: Final = 0.25
"""How often those are looked for who have waited too long."""
RETRY_SECONDS: Final = (1, 5)
"""What who is turned away is told to wait, each another time. Browsers and stock clients have delays of their own."""


log = logging.getLogger(__name__)


class Newcomer(Protocol):
    """A connection that has sent its whole request."""

    whose: Hashable
    """In whose line it waits, once its request was read."""

    def read_request(self) -> bool:
        """Whether it wants to come in; otherwise nothing is left to do for it."""
        ...

    def admit(self) -> Coroutine[Any, Any, None]:
        """Its turn has come."""
        ...

    def turn_away(self, seconds: int) -> None:
        """Its turn will not come. It may try again after `seconds`."""
        ...


class Entrance:
    """Lets newcomers in as time allows."""

    def __init__(
        self,
        limits: Limits,
        *,
        share: float,
        metrics: EngineMetrics,
        own: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """`share` of the time may be spent on newcomers while others are in. `own` runs an admission."""
        self._share = share
        self._most = limits.waiting_connections
        self._seconds = limits.waiting_seconds
        self._metrics = metrics
        self._own = own
        now = time.monotonic()
        self._unread: deque[tuple[float, Newcomer]] = deque()
        self._lines: Lines[Newcomer] = Lines(self._most, self._seconds)
        self._budget = Budget(IN_ONE_GO, now)
        self._looked_at = now
        self._admissions = 0
        self._places: dict[int, asyncio.TimerHandle] = {}
        self._timer: asyncio.Handle | None = None

    def arrived(self, newcomer: Newcomer) -> None:
        """Let it in when there is time, which may be now."""
        if len(self._unread) >= self._most:
            self._turn_away(newcomer)
            return
        self._unread.append((time.monotonic(), newcomer))
        if self._timer is None:
            self._go_on()

    def spend(self, seconds: float) -> None:
        """Something that was done for a newcomer took that much of the CPU."""
        self._budget.spend(seconds)
        self._metrics.admission_seconds += seconds

    def close(self) -> None:
        """Turn everyone away who still waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for place in self._places.values():
            place.cancel()
        self._places.clear()
        while self._unread:
            self._turn_away(self._unread.popleft()[1])
        while (newcomer := self._lines.next()) is not None:
            self._turn_away(newcomer)
        self._count()

    def _go_on(self) -> None:
        """Read a request, begin an admission, read a request ..., until there is no time or nothing to do."""
        self._timer = None
        now = time.monotonic()
        share = self._share if self._metrics.members else EVERYTHING
        self._budget.earn(share, now)
        if now - self._looked_at >= LOOK_SECONDS:
            self._look_for_overdue(now)
        ends = now + IN_ONE_GO
        worked = True
        while worked and self._budget.wait(share) == 0 and time.monotonic() < ends:
            worked = self._read_one()
            worked = self._admit_one() or worked
        self._count()
        if self._unread or (len(self._lines) and len(self._places) < AT_ONCE):
            # At least a millisecond: meanwhile the event loop hears those who are in.
            pause = max(0.001, self._budget.wait(share))
            self._timer = asyncio.get_running_loop().call_later(pause, self._go_on)
        elif len(self._lines):
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._go_on)

    def _read_one(self) -> bool:
        if not self._unread:
            return False
        since, newcomer = self._unread.popleft()
        begun = time.thread_time()
        try:
            too_many = self._lines.join(newcomer.whose, newcomer, since) if newcomer.read_request() else None
        except Exception:  # one that nobody can read must not stop the others
            log.exception("a request could not be read")
            too_many = newcomer
        if too_many is not None:
            self._turn_away(too_many)
        self.spend(time.thread_time() - begun)
        return True

    def _admit_one(self) -> bool:
        if len(self._places) >= AT_ONCE or (newcomer := self._lines.next()) is None:
            return False
        self._admissions = number = self._admissions + 1
        self._places[number] = asyncio.get_running_loop().call_later(PLACE_SECONDS, self._free, number)
        admitting = self._own(Timed(newcomer.admit(), self.spend))
        admitting.add_done_callback(lambda _task: self._free(number))
        return True

    def _free(self, number: int) -> None:
        place = self._places.pop(number, None)
        if place is None:
            return
        place.cancel()
        if len(self._lines):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_soon(self._go_on)

    def _look_for_overdue(self, now: float) -> None:
        self._looked_at = now
        while self._unread and now - self._unread[0][0] >= self._seconds:
            self._turn_away(self._unread.popleft()[1])
        for newcomer in self._lines.overdue(now):
            self._turn_away(newcomer)

    def _turn_away(self, newcomer: Newcomer) -> None:
        self._metrics.admissions_refused += 1
        newcomer.turn_away(random.randint(*RETRY_SECONDS))  # noqa: S311 - spreads load, hides nothing

    def _count(self) -> None:
        self._metrics.admissions_waiting = len(self._unread) + len(self._lines)
