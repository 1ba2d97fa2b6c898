"""A hostile client: a real WebSocket that sends whatever it is told, and what the server made of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from collab_core.wire.messages import update_frame
from tests.running import RunningDojo

CLOSED_SECONDS: Final = 15.0
"""From the attack to the server's close frame."""
FRAME_BYTES: Final = 64 * 1024 * 1024


class Intruder:
    """One connection of somebody who has a valid token and no good intentions."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.received: list[bytes | str] = []

    async def send(self, frame: bytes | str) -> None:
        """One message. A server that has hung up already is no error: `closed` tells."""
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(frame)

    async def update(self, update: bytes) -> None:
        """One Update message around the bytes."""
        await self.send(update_frame(update))

    async def closed(self, seconds: float = CLOSED_SECONDS) -> int:
        """Read until the server closes; the close code. Raises `TimeoutError` if it does not."""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    self.received.append(await self._socket.recv())
        return self._socket.close_code or 0

    async def control(self, kind: str, seconds: float = CLOSED_SECONDS) -> dict[str, object]:
        """Wait for a JSON text frame of this type."""
        async with asyncio.timeout(seconds):
            while True:
                frame = await self._socket.recv()
                self.received.append(frame)
                if isinstance(frame, str):
                    message = msgspec.json.decode(frame, type=dict[str, object])
                    if message["type"] == kind:
                        return message

    async def ping(self) -> None:
        """Wait until the server has read everything sent so far: it answers in order."""
        async with asyncio.timeout(CLOSED_SECONDS):
            # Reading goes on meanwhile: a full receive queue would keep the answer back.
            reading = asyncio.create_task(self._read_on())
            try:
                await (await self._socket.ping())
            finally:
                reading.cancel()
                await asyncio.wait({reading})

    async def _read_on(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.received.append(await self._socket.recv())

    async def outcome(self) -> int | None:
        """What became of everything sent so far: the code it was closed with, `None` if it was let stay."""
        try:
            await self.ping()
        except ConnectionClosed:
            return self._socket.close_code
        return None

    async def leave(self) -> None:
        await self._socket.close()


@contextlib.asynccontextmanager
async def intruder(
    dojo: RunningDojo, room: str, token: str | None, *, dojo_v1: bool = False
) -> AsyncIterator[Intruder]:
    """A connected one; with `token=None` it brings none."""
    query = "" if token is None else f"?token={quote(token, safe='')}"
    socket = await connect(
        f"{dojo.live}/api/v1/rooms/{quote(room, safe='')}/sync{query}",
        subprotocols=["dojo.v1"] if dojo_v1 else None,  # type: ignore[list-item]
        compression=None,
        max_size=FRAME_BYTES,
        ping_interval=None,
        proxy=None,
    )
    try:
        yield Intruder(socket)
    finally:
        await socket.close()


class RawSocket:
    """A TCP connection after its WebSocket upgrade, to break the framing itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, dojo: RunningDojo, room: str, token: str) -> RawSocket:
        address = urlsplit(dojo.live)
        assert address.hostname is not None
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(
            f"GET /api/v1/rooms/{quote(room, safe='')}/sync?token={token} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        async with asyncio.timeout(CLOSED_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return cls(reader, writer)

    async def close_code(self) -> int:
        """Read the server's frames until its close frame; 0 if the connection just ends."""
        async with asyncio.timeout(CLOSED_SECONDS):
            try:
                while True:
                    first, second = await self._reader.readexactly(2)
                    length = second & 0x7F
                    if length >= 126:
                        length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8), "big")
                    payload = await self._reader.readexactly(length)
                    if first & 0x0F == 8:
                        return int(struct.unpack("!H", payload[:2])[0])
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0

    async def leave(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


def client_header(length: int, *, first: int = 0x82) -> bytes:
    """The header of a masked client frame; the mask is four zero bytes."""
    if length < 126:
        return bytes((first, 0x80 | length)) + bytes(4)
    if length < 65536:
        return struct.pack("!BBH", first, 0x80 | 126, length) + bytes(4)
    return struct.pack("!BBQ", first, 0x80 | 127, length) + bytes(4)


def memory_of(pid: int) -> int:
    """Resident bytes of a process."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
