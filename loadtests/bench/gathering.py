"""A dojo to load: its host, and as many guests as wanted, each from a network address of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from loadtests.bench.member import LoadFailed
from loadtests.bench.requests import Company, Person, company
from loadtests.bench.servers import DojoServer
from loadtests.client import MAX_FRAME_BYTES, OPEN_SECONDS, close_code, leave

JOINS_AT_ONCE = 8
"""Joins lock the dojo, so more would only wait for each other."""
SYNC_SECONDS = 30.0


@dataclass(slots=True)
class Guest:
    """Somebody let in by the join code."""

    user: str
    token: str = field(repr=False)


class Gathering:
    """A dojo with one room. `host` may use the API, guests the live socket only."""

    def __init__(self, server: DojoServer, asked: Company, made: dict[str, Any]) -> None:
        self.asked = asked
        self.host: Person = asked.people[0]
        self.dojo = str(made["dojoId"])
        self.room = str(made["rooms"][0]["roomId"])
        self.http = server.http
        self.live = server.live
        self.guests: list[Guest] = []
        self._code = str(made["joinCode"])

    async def join(self, number: int) -> Guest:
        """One guest more, from an address of its own. Raises `LoadFailed`."""
        person = Person("", f"10.{100 + number // 40_000}.{number // 200 % 200}.{number % 200}")
        body = {"joinCode": self._code, "name": f"Guest {number}"}
        grant = await self.asked.ask("POST", "/api/v1/dojos/guests", person, 201, body, signed_in=False)
        return Guest(grant["userId"], grant["token"])

    async def fill(self, guests: int) -> None:
        """Let `guests` in."""
        gate = asyncio.Semaphore(JOINS_AT_ONCE)

        async def one(number: int) -> Guest:
            async with gate:
                return await self.join(number)

        self.guests = list(await asyncio.gather(*(one(number) for number in range(guests))))

    def url(self, token: str) -> str:
        """The live socket of whoever has the token."""
        return f"{self.live}/api/v1/dojos/{self.dojo}/live?token={token}"

    async def ask(self, method: str, path: str, status: int, body: object = None) -> Any:
        """A request of the host's, below the room's own path."""
        where = f"/api/v1/dojos/{self.dojo}/rooms/{self.room}{path}"
        return await self.asked.ask(method, where, self.host, status, body)


@asynccontextmanager
async def gathering(server: DojoServer, name: str, guests: int, code: str = "") -> AsyncIterator[Gathering]:
    """A new dojo of a new company, with `guests` let in. Raises `LoadFailed`."""
    async with company(server.http, name, 1) as asked:
        body = {
            "name": name,
            "description": "",
            "language": "python",
            "isPrivate": False,
            "initialCode": code,
            "allowGuests": True,
        }
        made = await asked.ask("POST", "/api/v1/dojos", asked.people[0], 201, body)
        gathered = Gathering(server, asked, made)
        await gathered.fill(guests)
        yield gathered


class Listener(WSListener):
    """One connection that notes which text frame came when, and reads nothing while the clock runs.

    `frames` and `times` (seconds of `time.perf_counter`) are what was received. Frames are the same object for all
    listeners that share `table`.
    """

    def __init__(self, table: dict[bytes, bytes]) -> None:
        self.frames: list[bytes] = []
        self.times: list[float] = []
        self.failure: str | None = None
        self._table = table
        self._transport: WSTransport | None = None
        self._first = asyncio.get_running_loop().create_future()
        self._wanted = b""

    async def open(self, url: str, *, subprotocol: str, until: bytes) -> None:
        """Connect and wait for the first text frame that holds `until`. Raises `LoadFailed`."""
        self._wanted = until
        try:
            await ws_connect(
                lambda: self,
                url,
                extra_headers={"Sec-WebSocket-Protocol": subprotocol},
                max_frame_size=MAX_FRAME_BYTES,
                websocket_handshake_timeout=OPEN_SECONDS,
            )
            async with asyncio.timeout(SYNC_SECONDS):
                await self._first
        except (OSError, TimeoutError, WSError) as error:
            raise LoadFailed(f"a member could not enter its room: {type(error).__name__}, {self.failure}") from None
        self.check()

    def check(self) -> None:
        """Raise `LoadFailed` if the connection is gone."""
        if self.failure is not None:
            raise LoadFailed(self.failure)

    def send(self, payload: bytes) -> None:
        """Put a text frame on the wire."""
        assert self._transport is not None
        self._transport.send(WSMsgType.TEXT, payload)

    async def close(self) -> None:
        """Leave the room."""
        self.failure = self.failure or "closed"
        if self._transport is not None:
            await leave(self._transport)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = time.perf_counter()
        if frame.msg_type == WSMsgType.TEXT:
            payload = frame.get_payload_as_bytes()
            payload = self._table.setdefault(payload, payload)
            self.frames.append(payload)
            self.times.append(now)
            if not self._first.done() and self._wanted in payload:
                self._first.set_result(None)
            self.heard(payload, now)
        elif frame.msg_type == WSMsgType.CLOSE:
            self.failure = (
                self.failure or f"the server closed a connection with {close_code(frame)} {frame.get_close_reason()}"
            )
            transport.disconnect()

    def heard(self, payload: bytes, now: float) -> None:
        """For those who answer."""

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.failure = self.failure or "a connection was lost"
        if not self._first.done():
            self._first.set_exception(ConnectionError(self.failure))
            self._first.exception()  # looked at here: one that is not being opened has no one to ask


async def enter_all(listeners: Sequence[Listener], urls: Sequence[str], *, subprotocol: str, until: bytes) -> None:
    """Bring all into the room. Raises `LoadFailed`."""
    gate = asyncio.Semaphore(JOINS_AT_ONCE)

    async def one(listener: Listener, url: str) -> None:
        async with gate:
            await listener.open(url, subprotocol=subprotocol, until=until)

    await asyncio.gather(*(one(listener, url) for listener, url in zip(listeners, urls, strict=True)))


async def leave_all(listeners: Sequence[Listener]) -> None:
    """Take all out of the room."""
    await asyncio.gather(*(listener.close() for listener in listeners))
