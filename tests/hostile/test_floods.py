"""More than a member may send: it alone is closed, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import time

import pytest

from collab_core.closes import CloseCode
from collab_core.wire.messages import awareness_frame, sync_step1, update_frame
from tests.hostile import forge
from tests.hostile.scene import HONEST_TEXT, Scene

_MESSAGES = 10_000
_LATENCY_SECONDS = 2.0
"""For one honest edit in the middle of it, on a busy machine."""
_CHARACTER = update_frame(forge.update({77: (0, [forge.item(forge.text("x"), parent="flood")])}))
_PRESENCE = awareness_frame(b"\x01" + forge.uint(77) + b"\x01" + forge.string("{}"))


@pytest.mark.parametrize(
    "frame",
    [_CHARACTER, update_frame(b"\x00\x00"), sync_step1({}), _PRESENCE, b"\x03", awareness_frame(b"\x05" + bytes(40))],
    ids=["update", "empty", "step1", "presence", "query", "echo"],
)
async def test_ten_thousand_messages(scene: Scene, frame: bytes) -> None:
    async with await scene.intruder() as mallory:

        async def flood() -> None:
            for _ in range(_MESSAGES):
                await mallory.send(frame)

        flooding = asyncio.create_task(flood())
        reading = asyncio.create_task(mallory.closed())
        ben = await scene.peers.open(scene.dojo.live, scene.room, await scene.dojo.token(user="ben"))
        started = time.monotonic()
        await ben.insert(0, "!")
        await scene.ana.wait_text("!" + HONEST_TEXT)
        assert time.monotonic() - started < _LATENCY_SECONDS
        await ben.delete(0, 1)
        assert await reading == CloseCode.FLOOD
        await flooding
        await ben.close()
    await scene.intact()


async def test_ten_thousand_typed_characters_of_one_person(scene: Scene) -> None:
    """Real edits, each different: those within the limit are taken, by everyone, and the rest by no one."""
    async with await scene.intruder() as mallory:

        async def flood() -> None:
            for clock in range(_MESSAGES):
                origin = (77, clock - 1) if clock else None
                item = forge.item(forge.text("x"), origin=origin, parent="flood")
                await mallory.send(update_frame(forge.update({77: (clock, [item])})))

        flooding = asyncio.create_task(flood())
        assert await mallory.closed() == CloseCode.FLOOD
        await flooding
    await scene.intact()


async def test_ten_thousand_text_frames(scene: Scene) -> None:
    async with await scene.intruder(dojo_v1=True) as mallory:

        async def flood() -> None:
            for _ in range(_MESSAGES):
                await mallory.send('{"type":"auth","token":"x"}')

        flooding = asyncio.create_task(flood())
        assert await mallory.closed() == CloseCode.FLOOD
        await flooding
    await scene.intact()


async def test_ten_thousand_pings(scene: Scene) -> None:
    socket = await scene.raw()
    ping = bytes((0x89, 0x80)) + bytes(4)

    async def flood() -> None:
        for _ in range(_MESSAGES // 100):
            socket.writer.write(ping * 100)
            await socket.writer.drain()

    flooding = asyncio.create_task(flood())
    assert await socket.close_code() == CloseCode.FLOOD
    await asyncio.wait({flooding})
    flooding.exception()  # writing may end with a reset connection; that is what is to happen
    await socket.leave()
    await scene.intact()
