"""An application on a real socket, and a client that sends exactly the bytes it is told to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import ClientResponse, web

from kernel.http.server import ConnectionLimits, HttpServer

DEADLINE_SECONDS = 10.0
"""Within this everything that a test waits for has happened, on a busy machine too."""


@asynccontextmanager
async def serving(
    app: web.Application, limits: ConnectionLimits | None = None
) -> AsyncIterator[tuple[HttpServer, int]]:
    """The server and its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    server = HttpServer(app, limits)
    await server.start(listener)
    try:
        yield server, listener.getsockname()[1]
    finally:
        await server.stop()


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> RawAnswer:
        """The next answer, one with a Content-Length."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return RawAnswer(int(first.split()[1]), headers, body)

    async def ended(self) -> bytes:
        """What still came before the server closed."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def close(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = RawClient(reader, writer)
    try:
        yield client
    finally:
        await client.close()


async def problem(answer: ClientResponse) -> tuple[int, str]:
    """Status and code of a well-formed problem."""
    assert answer.content_type == "application/problem+json"
    found = msgspec.json.decode(await answer.read())
    assert found["status"] == answer.status
    assert {"type", "title", "status", "code", "detail"} <= found.keys()
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-ID"]
    return answer.status, found["code"]
