"""A listening socket that takes a few at a time."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from collab_core import acceptor
from collab_core.acceptor import Acceptor
from tests.collab_core.live import on_each_loop, until

COUNT = 50


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's, but are the same by shape.
        greeting = cast(asyncio.Transport, transport)
        greeting.write(b"hello")
        greeting.close()


def listening() -> Acceptor:
    tasks: set[asyncio.Task[None]] = set()

    def own(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return Acceptor(Echo, own)


async def greeted(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    found = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return found


@on_each_loop
async def test_everyone_who_comes_at_once_is_taken() -> None:
    server = listening()
    port = await server.start("127.0.0.1", 0)
    assert await asyncio.gather(*(greeted("127.0.0.1", port) for _ in range(COUNT))) == [b"hello"] * COUNT
    server.close()
    with pytest.raises(ConnectionRefusedError):
        await greeted("127.0.0.1", port)


@on_each_loop
async def test_a_port_that_is_taken_is_said() -> None:
    first, second = listening(), listening()
    port = await first.start("127.0.0.1", 0)
    with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        await second.start("127.0.0.1", port)
    first.close()


@on_each_loop
async def test_it_goes_on_when_there_are_descriptors_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "EXHAUSTED_SECONDS", 0.05)
    server = listening()
    port = await server.start("127.0.0.1", 0)
    taken = 0
    accept = socket.socket.accept

    def exhausted(self: socket.socket) -> tuple[socket.socket, Any]:
        nonlocal taken
        taken += 1
        if taken <= 2:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    assert await greeted("127.0.0.1", port) == b"hello"
    assert taken > 2
    await until(lambda: not server._pauses)
    server.close()
