"""A stock client's socket, in Python, that sends its person's updates in whatever order it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from collab_core.wire.lib0 import Reader
from collab_core.wire.messages import AWARENESS, STEP1, sync_step1, sync_step2, update_frame
from tests.convergence.author import Author

TAKEN_SECONDS: Final = 20.0
"""For the server to read everything sent and to get its questions answered, on a busy machine."""


class Carrier:
    """One connection of `author`. It answers the server's questions with all its author has, as a stock client does."""

    def __init__(self, author: Author) -> None:
        self._author = author
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def connect(self, live: str, room: str, token: str) -> None:
        self._socket = await connect(
            f"{live}/api/v1/rooms/{quote(room, safe='')}/sync?token={quote(token, safe='')}",
            compression=None,
            ping_interval=None,
            proxy=None,
        )
        self._reader = asyncio.create_task(self._read(self._socket), name="carrier-reader")
        await self._socket.send(sync_step1({}))

    async def send(self, update: bytes) -> None:
        assert self._socket is not None
        await self._socket.send(update_frame(update))

    async def taken(self) -> None:
        """Wait until the server has read everything sent, and everything sent in answer to what it asked."""
        assert self._socket is not None
        async with asyncio.timeout(TAKEN_SECONDS):
            for _ in range(3):  # a question, its answer, and the question after that
                await (await self._socket.ping())

    async def leave(self) -> int:
        """Close; returns the code the server had closed with, 1000 if it had not."""
        assert self._socket is not None
        assert self._reader is not None
        await self._socket.close()
        await self._reader
        return self._socket.close_code or 0

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = await socket.recv()
                assert isinstance(frame, bytes)
                reader = Reader(frame)
                if reader.var_uint() == AWARENESS:
                    continue
                step = reader.var_uint()
                body = reader.var_bytes()
                if step == STEP1:
                    await socket.send(sync_step2(self._author.doc.get_update(body)))
                else:
                    self._author.apply(body)
