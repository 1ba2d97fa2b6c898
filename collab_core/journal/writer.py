"""Group commit: all rooms of a node append through one ordered writer with one transaction in flight.

Commits cost, rows hardly do. So whatever has gathered while the last commit was under way goes out as one, not sooner
than `interval_seconds` after that one began; when nothing gathers, nothing is scheduled. A commit that failed, or whose
outcome is unknown, is sent again with the same rows under the same numbers until it is answered. Everything younger
waits behind it, so no room ever has a later row committed and an earlier one not.

Rows that the store takes for wrong in themselves (it answers with something else than `JournalUnavailable`) must not
hold up the other rooms. They are found by halving, and their room is *parked*: it is told to be full, so that nobody
goes on typing into it, its rows stay first in its queue, and the refused one is tried again now and then. It is never
acknowledged and never thrown away; the log says so loudly each time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final
from uuid import UUID

from collab_core.identity import RoomKey
from collab_core.journal.feed import Cut, Feed, notify
from collab_core.journal.port import Journal, JournalUnavailable, Row

log = logging.getLogger(__name__)

COMMIT_ROWS: Final = 1_000
COMMIT_ENTRIES: Final = 4_096
"""Packing them takes about 2 ms of the event loop."""
COMMIT_BYTES: Final = 8 * 1024 * 1024
GATHER_SECONDS: Final = 0.002
"""Shortest time from an entry to its commit."""
RETRY_FIRST_SECONDS: Final = 0.05
RETRY_CAP_SECONDS: Final = 2.0
PARKED_FIRST_SECONDS: Final = 1.0
PARKED_CAP_SECONDS: Final = 30.0
FAILURES_BEFORE_BEHIND: Final = 2
"""One failed attempt is no news: a connection that broke while idle is noticed, and replaced, by the first commit."""


class Health(Enum):
    """Whether what is appended gets committed in time."""

    OK = "ok"
    BEHIND = "behind"
    """The store is away, or has not answered a commit for `unsaved_after`."""


class JournalWriter:
    """The one writer of a node. `epoch` is new in every life of the process; rows are numbered from 1 within it."""

    def __init__(
        self,
        journal: Journal,
        *,
        epoch: UUID,
        backlog_bytes: int,
        backlog_bytes_per_room: int,
        interval_seconds: float = 0.005,
        unsaved_after: float = 2.0,
    ) -> None:
        self.epoch = epoch
        self.health = Health.OK
        self.on_health: list[Callable[[Health], None]] = []
        self.backlog_bytes = 0
        """Memory held by entries taken and not committed, over all rooms."""
        self.full = False
        """Whether that is over the bound; true until it is below half of it."""
        self.commits = 0
        self.rows = 0
        self.entries = 0
        self.failures = 0
        """Attempts that ended without an answer, or with a refusal."""
        self.last_commit_seconds = 0.0
        """How long the last answered attempt took."""
        self._journal = journal
        self._bound = backlog_bytes
        self._bound_per_room = backlog_bytes_per_room
        self._interval = interval_seconds
        self._unsaved_after = unsaved_after
        self._sequence = 0
        self._feeds: set[Feed] = set()
        self._queue: deque[Feed] = deque()
        self._parked_due: deque[Feed] = deque()
        self._parked_timers: dict[Feed, asyncio.TimerHandle] = {}
        self._idle: asyncio.Future[None] | None = None
        self._drained: list[asyncio.Future[None]] = []
        self._last_start = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def feed(
        self, key: RoomKey, on_committed: Callable[[int], None], on_full: Callable[[bool], None] | None = None
    ) -> Feed:
        """A way in for one room, one at a time: close the former one first.

        `on_committed` gets the feed's new `committed` after each commit that holds entries of it, `on_full` every
        change of the feed's `full`. Both are called on the event loop, never from within `append`.
        """
        feed = Feed(self, key, self._bound_per_room, on_committed, on_full)
        self._feeds.add(feed)
        if self.full:
            asyncio.get_running_loop().call_soon(feed._tell_full)
        return feed

    def next_sequence(self) -> int:
        """The number of the next row."""
        self._sequence += 1
        return self._sequence

    def start(self) -> None:
        """Begin to commit, on the running event loop."""
        assert self._task is None, "the writer is started once"
        self._task = asyncio.get_running_loop().create_task(self._run(), name="journal-writer")
        self._task.add_done_callback(self._ended)

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109 - the result says whether it was enough
        """Wait until everything appended is committed; False if that took longer than `timeout` seconds."""
        if self.backlog_bytes == 0:
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._drained.append(waiter)
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except TimeoutError:
            return False
        finally:
            self._drained.remove(waiter)
        return True

    async def close(self) -> None:
        """Stop at once. A commit in flight may or may not happen; `drain` first. The journal stays open."""
        for timer in self._parked_timers.values():
            timer.cancel()
        self._parked_timers.clear()
        task, self._task = self._task, None
        if task is not None:
            task.remove_done_callback(self._ended)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self.backlog_bytes:
            log.error("the journal writer was closed with %d bytes not committed", self.backlog_bytes)

    # Between the feeds and the task

    def _enqueue(self, feed: Feed) -> None:
        self._queue.append(feed)
        self._wake()

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _tell_all_full(self) -> None:
        for feed in list(self._feeds):
            feed._tell_full()

    def _set_health(self, health: Health) -> None:
        if health is not self.health:
            self.health = health
            log.log(logging.INFO if health is Health.OK else logging.WARNING, "the journal is %s", health.value)
            for callback in list(self.on_health):
                notify(callback, health)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.critical("the journal writer ended: nothing is saved from now on", exc_info=task.exception())
            self._set_health(Health.BEHIND)

    # The task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._queue and not self._parked_due:
                self._idle = loop.create_future()
                await self._idle
                self._idle = None
            # Not even the first commit after a silence starts at once: what has just been typed is broadcast first,
            # and Postgres must not wake on the same core meanwhile.
            await asyncio.sleep(max(GATHER_SECONDS, self._last_start + self._interval - loop.time()))
            if self._parked_due:
                feed = self._parked_due.popleft()
                assert feed._parked is not None
                await self._commit([feed._parked])
            if self._queue:
                await self._commit(self._take())

    def _take(self) -> list[Cut]:
        taken: list[Cut] = []
        entries_left, bytes_left = COMMIT_ENTRIES, COMMIT_BYTES
        while self._queue and len(taken) < COMMIT_ROWS and entries_left > 0 and bytes_left > 0:
            cut = self._queue.popleft().take(entries_left, bytes_left)
            taken.append(cut)
            entries_left -= len(cut.row.entries)
            bytes_left -= cut.size
        return taken

    async def _commit(self, taken: Sequence[Cut]) -> None:
        """Commit what was taken, or park what is refused. Returns only when all of it is one or the other."""
        before = [row for cut in taken if cut.follows for row in cut.feed.predecessors(cut.follows)]
        try:
            await self._append([*before, *(cut.row for cut in taken)])
        except Exception as error:  # whatever a store says about rows it cannot hold
            self.failures += 1
            if len(taken) == 1:
                self._park(taken[0], error)
            else:
                half = len(taken) // 2
                await self._commit(taken[:half])
                await self._commit(taken[half:])
        else:
            self._settle(taken, before)

    async def _append(self, rows: Sequence[Row]) -> None:
        loop = asyncio.get_running_loop()
        overdue = loop.call_later(self._unsaved_after, self._set_health, Health.BEHIND)
        failures = 0
        try:
            while True:
                self._last_start = loop.time()
                try:
                    await self._journal.append(rows)
                except JournalUnavailable as error:
                    self.failures += 1
                    failures += 1
                    log.warning("commit of %d rows failed (attempt %d): %s", len(rows), failures, error)
                    if failures >= FAILURES_BEFORE_BEHIND:
                        self._set_health(Health.BEHIND)
                    await asyncio.sleep(_backoff(failures, RETRY_FIRST_SECONDS, RETRY_CAP_SECONDS))
                else:
                    self.last_commit_seconds = loop.time() - self._last_start
                    return
        finally:
            overdue.cancel()

    def _settle(self, taken: Sequence[Cut], before: Sequence[Row]) -> None:
        self.commits += 1
        self.rows += len(taken)
        self._set_health(Health.OK)
        feeds = {cut.feed.key: cut.feed for cut in taken}
        for row in before:
            if (written := feeds[row.key].on_written) is not None:
                notify(written, row)
        for feed, row, count, size, _ in taken:
            self.entries += count
            self.backlog_bytes -= size
            feed.backlog_bytes -= size
            feed.committed += count
            if feed._parked is not None:
                log.warning("the journal took the row of %s that it had refused", feed.key)
                feed._parked = None
                feed._refusals = 0
            if feed.pending:
                # To the end, so that busy rooms do not starve the others; but to the front if it is closed, because a
                # younger feed of the same room must not pass it.
                (self._queue.appendleft if feed._closed else self._queue.append)(feed)
            else:
                feed._queued = False
            if feed._over and feed.backlog_bytes <= feed._bound // 2:
                feed._over = False
            if not feed._closed:
                if feed.on_written is not None:
                    notify(feed.on_written, row)
                notify(feed._on_committed, feed.committed)
                feed._tell_full()
        if self.full and self.backlog_bytes <= self._bound // 2:
            self.full = False
            self._tell_all_full()
        if self.backlog_bytes == 0:
            for waiter in self._drained:
                if not waiter.done():
                    waiter.set_result(None)

    def _park(self, taken: Cut, error: Exception) -> None:
        feed = taken.feed
        feed._parked = taken
        feed._refusals += 1
        log.error(
            "the journal refuses row %d of %s (%d entries, refused %d times): nothing of this room is saved until it is"
            " taken",
            taken.row.sequence,
            feed.key,
            len(taken.row.entries),
            feed._refusals,
            exc_info=error,
        )
        feed._tell_full()
        pause = _backoff(feed._refusals, PARKED_FIRST_SECONDS, PARKED_CAP_SECONDS)
        self._parked_timers[feed] = asyncio.get_running_loop().call_later(pause, self._unpark, feed)

    def _unpark(self, feed: Feed) -> None:
        del self._parked_timers[feed]
        self._parked_due.append(feed)
        self._wake()


def _backoff(failures: int, first: float, cap: float) -> float:
    """Full jitter: anywhere up to a bound that doubles, so that many nodes do not come back in step."""
    return random.uniform(0, min(cap, first * 2.0 ** min(failures - 1, 30)))  # noqa: S311 - not a secret
