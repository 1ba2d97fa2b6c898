"""A live server on a real loopback socket: the production one, on the production event loop, with all its parts at
hand. Only its door (`Door`) knows no tokens."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
import uvloop

from collab_core.admission import Admission, Refused, UpgradeRequest
from collab_core.application import Applications, NoApplication
from collab_core.closes import CloseCode
from collab_core.connection import LiveConnection
from collab_core.hub import Hub
from collab_core.identity import RoomKey
from collab_core.journal.memory import MemoryJournal
from collab_core.journal.port import Journal
from collab_core.journal.writer import JournalWriter
from collab_core.limits import Limits
from collab_core.member import Member
from collab_core.metrics import EngineMetrics
from collab_core.room import Room
from collab_core.server import LiveServer
from collab_core.tuning import Tuning
from tests.collab_core.client import DEADLINE_SECONDS, Client

QUICK = Tuning(heartbeat_seconds=0.05, presence_floor_seconds=0.001, unsaved_after_seconds=0.1)
"""Heartbeats as fast as a test wants to see them."""
SLEEPY = Tuning(heartbeat_seconds=3600.0, presence_floor_seconds=0.001, evict_after_seconds=0.01)
"""An empty room goes to sleep at once."""
CALM = Tuning(heartbeat_seconds=3600.0, presence_floor_seconds=0.001)
"""No heartbeat within a test: frames can be counted."""

Test = Callable[..., Coroutine[Any, Any, None]]


def on_uvloop(test: Test) -> Callable[..., None]:
    """Run an async test on the event loop of production."""

    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        uvloop.run(test(*arguments, **fixtures))

    return run


def on_each_loop(test: Test) -> Callable[..., None]:
    """Run an async test on uvloop, and on asyncio's own loop, which may embed the engine too."""

    def run(new_loop: Callable[[], asyncio.AbstractEventLoop], **fixtures: Any) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(test(**fixtures))

    functools.update_wrapper(run, test)
    parameters = inspect.signature(test).parameters.values()
    first = inspect.Parameter("new_loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    loops = pytest.mark.parametrize(
        "new_loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"]
    )
    decorated: Callable[..., None] = loops(run)
    return decorated


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - the server's inner state
            await asyncio.sleep(0.002)


def tenant_of(name: str) -> UUID:
    return uuid5(UUID(int=0), name)


def user_of(name: str) -> UUID:
    return uuid5(UUID(int=1), name)


class Door:
    """Lets everyone in, as what the address says: `/TENANT/ROOM?user=ana&write=1&expires=UNIX_SECONDS`.

    A token for renewal is `write=0&expires=5`; the word `forged` is none. Whoever is in `revoked` may not stay."""

    def __init__(self) -> None:
        self.revoked: set[UUID] = set()

    def review(self, admission: Admission) -> None:
        if admission.user in self.revoked:
            raise Refused(CloseCode.UNAUTHENTICATED, "revoked")

    def whose(self, request: UpgradeRequest) -> str:
        return request.path.split("/")[1]

    async def admit(self, request: UpgradeRequest) -> Admission:
        _, tenant, room = request.path.split("/")
        if room == "closed":
            raise Refused(CloseCode.FORBIDDEN, "nobody may enter here")
        if room == "broken":
            raise RuntimeError("the door fell off its hinges")
        user = request.query.get("user", "ana")
        return Admission(
            key=RoomKey(tenant_of(tenant), room),
            user=user_of(user),
            name=user,
            can_write=request.query.get("write", "1") == "1",
            expires_at=float(request.query.get("expires", time.time() + 3600)),
        )

    async def renew(self, token: str, current: Admission) -> Admission:
        if token == "forged":
            raise Refused(CloseCode.UNAUTHENTICATED, "token refused")
        fields = dict(part.split("=") for part in token.split("&"))
        return Admission(
            key=current.key,
            user=current.user,
            name=current.name,
            can_write=fields["write"] == "1",
            expires_at=float(fields["expires"]),
        )


class Live:
    """A running server and all its parts."""

    def __init__(
        self, journal: Journal, limits: Limits, tuning: Tuning, applications: Applications = NoApplication
    ) -> None:
        self.limits = limits
        self.metrics = EngineMetrics()
        self.writer = JournalWriter(
            journal,
            epoch=uuid4(),
            backlog_bytes=limits.backlog_bytes,
            backlog_bytes_per_room=limits.backlog_bytes_per_room,
            interval_seconds=tuning.commit_interval_seconds,
            unsaved_after=tuning.unsaved_after_seconds,
        )
        self.hub = Hub(
            journal, self.writer, limits=limits, tuning=tuning, metrics=self.metrics, applications=applications
        )
        self.door = Door()
        self.server = LiveServer(self.hub, self.door, limits, self._plain, admission_share=tuning.admission_share)
        self.port = 0
        self._clients: list[Client] = []

    def connection(self, user: str = "ana") -> LiveConnection:
        """The server's end of that user's only connection."""
        [found] = [
            connection
            for connection in self.server.connections
            if connection._member is not None and connection._member.admission.user == user_of(user)
        ]
        return found

    def seat(self, user: str = "ana") -> Member:
        """The server's idea of that user's only connection."""
        member = self.connection(user)._member
        assert member is not None
        return member

    @staticmethod
    def _plain(path: str) -> tuple[int, str, bytes]:
        return (200, "text/plain", b"well") if path == "/health/live" else (404, "text/plain", b"no such path")

    def room(self, name: str = "room", tenant: str = "acme") -> Room:
        """The open room; `KeyError` if it is asleep."""
        return self.hub.rooms[RoomKey(tenant_of(tenant), name)]

    def text(self, name: str = "room") -> str:
        """What the server's own view of the document says."""
        return self.room(name).view.text("t")

    async def client(self, *, receive_buffer: int | None = None) -> Client:
        """A connected socket on which nothing was said yet."""
        client = await Client.connect(self.port, receive_buffer)
        self._clients.append(client)
        return client

    async def enter(
        self,
        user: str = "ana",
        room: str = "room",
        *,
        tenant: str = "acme",
        write: bool = True,
        dojo: bool = False,
        json: bool = False,
        expires: float | None = None,
        receive_buffer: int | None = None,
    ) -> Client:
        """A client that has upgraded and reads. It has not said anything yet: see `Client.sync`."""
        client = await self.client(receive_buffer=receive_buffer)
        query = f"user={user}&write={int(write)}" + ("" if expires is None else f"&expires={expires}")
        await client.upgrade(
            f"/{tenant}/{room}?{query}", subprotocol="dojo.v1" if dojo else "dojo.json.v1" if json else None
        )
        client.read()
        return client

    async def member(self, user: str = "ana", room: str = "room", **how: Any) -> Client:
        """A client that is synced, as after a stock client's connect."""
        client = await self.enter(user, room, **how)
        await client.sync()
        return client

    async def end(self) -> None:
        for client in self._clients:
            await client.end()
        await self.server.stop(1.0)
        await self.writer.close()


@asynccontextmanager
async def live(
    *,
    limits: Limits | None = None,
    tuning: Tuning = CALM,
    journal: Journal | None = None,
    applications: Applications = NoApplication,
) -> AsyncIterator[Live]:
    """A server for the length of a test. The journal stays open: it is the caller's."""
    running = Live(journal if journal is not None else MemoryJournal(), limits or Limits(), tuning, applications)
    running.writer.start()
    running.port = await running.server.start("127.0.0.1", 0)
    try:
        yield running
    finally:
        await running.end()


def buffered(connection: LiveConnection) -> int:
    """Bytes a connection keeps of what it has read and could not use yet."""
    return (0 if connection._reader is None else connection._reader.buffered) + len(connection._early)
