"""A wire between one node and Redis that can be cut: cut, it takes and carries nothing and tells neither end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

LOOPBACK = "127.0.0.1"
PIECE_BYTES = 64 * 1024


class Wire:
    """A TCP port that leads to a Unix socket."""

    def __init__(self, socket_path: str, host: str = LOOPBACK) -> None:
        self._to = socket_path
        self._host = host
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    async def lay(self) -> Self:
        """Open the port."""
        self._server = await asyncio.start_server(self._accept, self._host, 0)
        return self

    @property
    def url(self) -> str:
        """Redis, as the node is told where it is."""
        assert self._server is not None
        return f"redis://{self._host}:{self._server.sockets[0].getsockname()[1]}/0"

    def cut(self) -> None:
        """From now on nothing gets through, and nobody is told. New connections stand open and silent, too."""
        self._whole.clear()

    def mend(self) -> None:
        """What was written meanwhile arrives now, late: as TCP does it after a short partition."""
        self._whole.set()

    async def close(self) -> None:
        """End all connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        there: asyncio.StreamWriter | None = None
        try:
            await self._whole.wait()
            back, there = await asyncio.open_unix_connection(self._to)
            one, other = (
                asyncio.ensure_future(self._carry(reader, there)),
                asyncio.ensure_future(self._carry(back, writer)),
            )
            try:
                await asyncio.wait((one, other), return_when=asyncio.FIRST_COMPLETED)
            finally:
                one.cancel()
                other.cancel()
                await asyncio.gather(one, other, return_exceptions=True)
        except OSError:
            pass  # Redis is not there: the node sees its connection end
        except asyncio.CancelledError:
            pass  # the wire is taken away; `asyncio.start_server` would log it
        finally:
            self._carrying.discard(task)
            for end in (writer, there):
                if end is not None:
                    end.transport.abort()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(PIECE_BYTES):
                await self._whole.wait()
                target.write(piece)
                await target.drain()
