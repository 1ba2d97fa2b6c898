"""The live server: a listening socket, and a connection for each client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Any
from uuid import UUID

from collab_core.acceptor import Acceptor
from collab_core.admission import Authoriser
from collab_core.connection import LiveConnection
from collab_core.entrance import Entrance
from collab_core.hub import Hub
from collab_core.limits import Limits
from collab_core.member import Member

GOODBYE_SECONDS = 1.0
"""How long a stopping server waits for the answers to its last closes: ending sooner may reset a connection and lose
the close frame on its way."""

PlainAnswer = tuple[int, str, bytes]
"""(status, content type, body) of an HTTP request that is no upgrade."""


class LiveServer:
    """Serves WebSockets for a hub. `plain` answers health checks and metrics by path."""

    def __init__(
        self,
        hub: Hub,
        authoriser: Authoriser,
        limits: Limits,
        plain: Callable[[str], PlainAnswer],
        *,
        admission_share: float,
    ) -> None:
        """`admission_share` as `collab_core.tuning.Tuning` has it."""
        self.hub = hub
        self.authoriser = authoriser
        self.limits = limits
        self.plain = plain
        self.connections: set[LiveConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.entrance = Entrance(
            limits, share=admission_share, metrics=hub.metrics, own=partial(self.own, name="admit")
        )
        self._acceptor = Acceptor(lambda: LiveConnection(self), partial(self.own, name="connect"))
        self._empty = asyncio.Event()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which matters when 0 was asked for. Raises `OSError` if it is taken."""
        return await self._acceptor.start(host, port)

    async def stop(self, seconds: float) -> None:
        """Let nobody in any more, drain the hub, and end what is left. At most about `seconds` and `GOODBYE_SECONDS`.

        Until the hub is drained it goes on to answer whether it lives and is ready, and tells newcomers to go
        elsewhere: refused connections would look like a crash."""
        self.hub.draining = True
        self.entrance.close()
        await self.hub.drain(seconds)
        self._acceptor.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                while self.connections:
                    self._empty.clear()
                    await self._empty.wait()
        for connection in list(self.connections):
            connection.abort()

    def opened(self, connection: LiveConnection) -> None:
        """A connection is there."""
        self.connections.add(connection)

    def lost(self, connection: LiveConnection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def own(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run `work` as a task of this server: kept alive, and cancelled with it."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def review(self, tenants: Collection[UUID]) -> None:
        """Something of `tenants` was revoked: close whoever the authoriser would not let in any more."""
        self.own(self.hub.expel(tenants, self.authoriser.review), name="expel")

    def message_limit(self, member: Member) -> int:
        """The largest message a member may send now: an answer to our SyncStep1 may bring a whole document."""
        return self.limits.first_sync_bytes if member.asked else self.limits.message_bytes
