"""Messages far over the limit: refused on their header, before a byte of them is kept."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from collab_core.closes import CloseCode
from tests.hostile.intruder import RawSocket, client_header, memory_of
from tests.hostile.scene import Scene

_MIB = 1024 * 1024
_GROWTH_BYTES = 4 * _MIB
_STREAM_SECONDS = 10.0


async def _stream(socket: RawSocket, length: int) -> None:
    """Go on sending, as somebody does who does not listen."""
    block = bytes(_MIB)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(_STREAM_SECONDS):
            for _ in range(length // _MIB):
                socket.writer.write(block)
                await socket.writer.drain()


@pytest.mark.parametrize("length", [100 * _MIB, 2**62], ids=["100 MiB", "2^62"])
async def test_one_huge_message(scene: Scene, length: int) -> None:
    before = memory_of(scene.dojo.live_node_pid)
    socket = await scene.raw()
    socket.writer.write(client_header(length))
    streaming = asyncio.create_task(_stream(socket, 100 * _MIB))
    assert await socket.close_code() == CloseCode.TOO_LARGE
    await streaming
    assert memory_of(scene.dojo.live_node_pid) - before < _GROWTH_BYTES
    await socket.leave()
    await scene.intact()


async def test_a_huge_message_in_fragments(scene: Scene) -> None:
    before = memory_of(scene.dojo.live_node_pid)
    socket = await scene.raw()
    # A first sync may have 16 MiB: each fragment is small enough, together they are not.
    fragment = client_header(_MIB, first=0x00) + bytes(_MIB)

    async def send() -> None:
        socket.writer.write(client_header(_MIB, first=0x02) + bytes(_MIB))
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                socket.writer.write(fragment)
                await socket.writer.drain()

    streaming = asyncio.create_task(send())
    assert await socket.close_code() == CloseCode.TOO_LARGE
    await streaming
    await socket.leave()
    await scene.intact()
    # The fragments before the one too many were held, and are given back.
    deadline = time.monotonic() + _STREAM_SECONDS
    while memory_of(scene.dojo.live_node_pid) - before > 2 * _GROWTH_BYTES:
        assert time.monotonic() < deadline, memory_of(scene.dojo.live_node_pid) - before
        await asyncio.sleep(0.1)  # the allocator is not told when


async def test_a_large_message_of_a_member_that_is_synced(scene: Scene) -> None:
    async with await scene.intruder() as mallory:
        await mallory.send(b"\x00\x01\x02\x00\x00")  # its answer to the server's question: nothing
        await mallory.send(bytes(2 * _MIB))
        assert await mallory.closed() == CloseCode.TOO_LARGE
    await scene.intact()


async def test_many_that_start_a_large_message_and_wait(scene: Scene) -> None:
    before = memory_of(scene.dojo.live_node_pid)
    sockets = [await scene.raw() for _ in range(50)]
    for socket in sockets:
        socket.writer.write(client_header(15 * _MIB) + bytes(1000))
        await socket.writer.drain()
    await scene.intact()
    assert memory_of(scene.dojo.live_node_pid) - before < 8 * _MIB
    for socket in sockets:
        await socket.leave()
