"""Audit entries that are written after the answer, by a task of their own.

A commit takes time. Where only accounts or issuers that exist have something to be written, its time within the request
would tell which do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from kernel.database import FAILURES

WAITING: Final = 1_000
"""Entries not written yet; past it they are dropped, and counted in the log."""
ACQUIRE_SECONDS: Final = 5.0
"""For a database connection: nobody waits for it."""
CLOSE_SECONDS: Final = 2.0
"""For what still waits at the end."""

Write = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


class AuditLater:
    """`start`, then `append`; `close` at the end. One per process."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[tuple[str, Write]] = asyncio.Queue(WAITING)
        self._dropped = 0
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._writer = asyncio.get_running_loop().create_task(self._write(), name="audit later")

    async def close(self) -> None:
        """Write what waits, as far as that is quickly done, and stop."""
        if self._writer is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._waiting.join()
        self._writer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._writer

    def append(self, action: str, write: Write) -> None:
        """Run `write` soon. `action` is what the log calls it, should it fail."""
        try:
            self._waiting.put_nowait((action, write))
        except asyncio.QueueFull:
            self._dropped += 1

    async def _write(self) -> None:
        while True:
            action, write = await self._waiting.get()
            try:
                await write()
            except FAILURES as error:
                log.warning("an entry is not in the audit log: %s (%s)", action, type(error).__name__)
            except Exception:  # one entry's fault is not the next one's
                log.exception("an entry is not in the audit log: %s", action)
            finally:
                self._waiting.task_done()
            if self._dropped:
                log.warning("%d entries are not in the audit log: there were too many at once", self._dropped)
                self._dropped = 0
