"""Hearing of changes: with Redis, without it, when it comes back, and when looking fails."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from redis.asyncio import Redis

from dojo.embedded.redis import EmbeddedRedis
from kernel.lookout import LOOK_ALONE_SECONDS, LOOK_GAP_SECONDS, Lookout
from kernel.redis import create_client

DEADLINE_SECONDS = 10.0


class Seen:
    """What a lookout called."""

    def __init__(self) -> None:
        self.looks = 0
        self.messages: list[bytes] = []
        self.failing = False
        self.heard_two = asyncio.Event()
        self._changed = asyncio.Condition()

    async def look(self) -> None:
        async with self._changed:
            self.looks += 1
            self._changed.notify_all()
        if self.failing:
            raise RuntimeError("Postgres is away")

    def hear(self, message: bytes) -> None:
        self.messages.append(message)
        if len(self.messages) == 2:
            self.heard_two.set()

    async def looked(self, times: int) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: self.looks >= times)


async def hearing(lookout: Lookout, hears: bool = True) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while lookout.hears is not hears:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)


async def test_a_ring_makes_for_a_look(redis: Redis) -> None:
    seen = Seen()
    lookout = Lookout(redis, "test:lookout", look=seen.look)
    lookout.start()
    await hearing(lookout)
    await seen.looked(1)
    await redis.publish("test:lookout", b"")
    async with asyncio.timeout(1):
        await seen.looked(2)
    await lookout.close()


async def test_messages_are_handed_on_where_they_are_wanted(redis: Redis) -> None:
    seen = Seen()
    lookout = Lookout(redis, "test:lookout", look=seen.look, heard=seen.hear)
    lookout.start()
    await hearing(lookout)
    await redis.publish("test:lookout", b"one")
    await redis.publish("test:other", b"two")
    await redis.publish("test:lookout", b"three")
    async with asyncio.timeout(DEADLINE_SECONDS):
        await seen.heard_two.wait()
    assert seen.messages == [b"one", b"three"]
    await lookout.close()


async def test_without_redis_it_looks_by_itself() -> None:
    seen = Seen()
    lookout = Lookout(None, "test:lookout", look=seen.look)
    lookout.start()
    async with asyncio.timeout(LOOK_ALONE_SECONDS + 1):
        await seen.looked(1)
    assert not lookout.hears
    await lookout.close()


async def test_however_often_it_is_told_it_leaves_a_gap() -> None:
    seen = Seen()
    lookout = Lookout(None, "test:lookout", look=seen.look)
    lookout.start()
    started = asyncio.get_running_loop().time()
    for times in range(1, 5):
        lookout.look_soon()
        await seen.looked(times)
    assert asyncio.get_running_loop().time() - started >= 3 * 0.8 * LOOK_GAP_SECONDS
    await lookout.close()


async def test_a_look_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    seen = Seen()
    seen.failing = True
    lookout = Lookout(None, "test:lookout", look=seen.look)
    with caplog.at_level(logging.WARNING):
        lookout.start()
        for times in (1, 2, 3):
            lookout.look_soon()
            await seen.looked(times)
    assert [record.getMessage() for record in caplog.records] == ["a look after test:lookout failed: RuntimeError"]
    await lookout.close()


async def test_a_redis_that_comes_back_is_heard_again_and_looked_for(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    await server.start()
    client = create_client(server.url())
    seen = Seen()
    lookout = Lookout(client, "test:lookout", look=seen.look)
    lookout.start()
    await hearing(lookout)
    await server.stop()
    await hearing(lookout, False)
    looks = seen.looks
    await server.start()
    await hearing(lookout)
    await seen.looked(looks + 1)
    await lookout.close()
    await client.aclose()
    await server.stop()
