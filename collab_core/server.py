"""The live server: a listening socket, and a connection for each client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Collection, Coroutine
from uuid import UUID

from collab_core.admission import Authoriser
from collab_core.connection import LiveConnection
from collab_core.hub import Hub
from collab_core.limits import Limits
from collab_core.member import Member

BACKLOG = 4_096
"""Connections the kernel may queue: a reconnect storm comes within one second."""

GOODBYE_SECONDS = 1.0
"""How long a stopping server waits for the answers to its last closes: ending sooner may reset a connection and lose
the close frame on its way."""

PlainAnswer = tuple[int, str, bytes]
"""(status, content type, body) of an HTTP request that is no upgrade."""


class LiveServer:
    """Serves WebSockets for a hub. `plain` answers health checks and metrics by path."""

    def __init__(self, hub: Hub, authoriser: Authoriser, limits: Limits, plain: Callable[[str], PlainAnswer]) -> None:
        self.hub = hub
        self.authoriser = authoriser
        self.limits = limits
        self.plain = plain
        self.connections: set[LiveConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which matters when 0 was asked for. Raises `OSError` if it is taken."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: LiveConnection(self), host, port, backlog=BACKLOG, family=socket.AF_UNSPEC
        )
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self, seconds: float) -> None:
        """Take no new connections, drain the hub, and end what is left. At most about `seconds` and
        `GOODBYE_SECONDS`."""
        if self._server is not None:
            self._server.close()
        await self.hub.drain(seconds)
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

    def own(self, work: Coroutine[object, object, None], *, name: str) -> asyncio.Task[None]:
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
