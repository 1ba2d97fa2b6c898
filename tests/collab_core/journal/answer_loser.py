"""A way to Postgres that can lose answers: a relay between two Unix sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class AnswerLoser:
    """Passes everything on, until told to swallow what the server says and then hang up."""

    def __init__(self, server_socket: Path) -> None:
        self._server_socket = server_socket
        self._losing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.lost = 0

    def lose_next(self) -> None:
        """Swallow the next answer, and cut the connection instead of delivering it."""
        self._losing = True

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server_reader, server_writer = await asyncio.open_unix_connection(self._server_socket)
        try:
            async with asyncio.TaskGroup() as group:
                there = group.create_task(self._pass(reader, server_writer, answers=False))
                back = group.create_task(self._pass(server_reader, writer, answers=True))
                await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
                there.cancel()
                back.cancel()
        finally:
            for end in (writer, server_writer):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()
            self._tasks.discard(task)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await source.read(65536):
            # A commit is answered by CommandComplete; what comes before (the statement was parsed) passes.
            if answers and self._losing and b"INSERT 0" in data:
                self._losing = False
                self.lost += 1
                return
            target.write(data)
            await target.drain()

    async def ended(self) -> None:
        """Wait until every connection is closed."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)


@asynccontextmanager
async def answer_loser(folder: Path, server_socket: Path) -> AsyncIterator[AnswerLoser]:
    """Listens in `folder` as Postgres would."""
    loser = AnswerLoser(server_socket)
    server = await asyncio.start_unix_server(loser.relay, folder / ".s.PGSQL.5432")
    try:
        yield loser
    finally:
        server.close()
        await loser.ended()
