"""Failed logins of accounts there are, for the audit log.

They are written after the answer, by a task of their own: a commit takes time, and only accounts that exist have
something to be written, so within the request its time would tell who has an account.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Final
from uuid import UUID

import asyncpg

from edge.identity.memberships import users_of
from kernel import audit
from kernel.database import identity_scope
from kernel.http.operation import Origin

WAITING: Final = 1_000
"""Entries not written yet; past it they are dropped, and counted in the log."""
ACQUIRE_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 2.0
"""For what still waits at the end."""

log = logging.getLogger(__name__)


class FailedLogins:
    """`start`, then `note`; `close` at the end."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._waiting: asyncio.Queue[tuple[UUID, Origin]] = asyncio.Queue(WAITING)
        self._dropped = 0
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._writer = asyncio.get_running_loop().create_task(self._write(), name="failed logins")

    async def close(self) -> None:
        """Write what waits, as far as that is quickly done, and stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), CLOSE_SECONDS)
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer

    def note(self, identity: UUID | None, origin: Origin) -> None:
        """A wrong password came for `identity`; None: for nobody, and nothing is written."""
        if identity is None:
            return
        try:
            self._waiting.put_nowait((identity, origin))
        except asyncio.QueueFull:
            self._dropped += 1

    async def _write(self) -> None:
        while True:
            identity, origin = await self._waiting.get()
            try:
                async with identity_scope(self._pool, identity, acquire_seconds=ACQUIRE_SECONDS) as db:
                    async for tenant, user in users_of(db, identity):
                        await audit.append(
                            db, tenant=tenant, actor=None, action="login.failed", target=user, origin=origin
                        )
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("a failed login is not in the audit log: %s", type(error).__name__)
            finally:
                self._waiting.task_done()
            if self._dropped:
                log.warning("%d failed logins are not in the audit log: there were too many at once", self._dropped)
                self._dropped = 0
