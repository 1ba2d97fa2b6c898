"""A live node with five hundred people on it that is told to go: as a process, with Postgres and Redis."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis

from collab_core.closes import CloseCode
from collab_core.limits import Limits
from collab_core.nodes import Nodes
from dojo.settings import LiveSettings, RedisSettings
from tests.collab_core.client import Client
from tests.collab_core.live import until
from tests.conftest import Database
from tests.dojo.test_live_node import Node, running, settings

PEOPLE = 500
SHARE = 10
"""Two percent of them."""
WINDOW_SECONDS = 0.1
GONE_SECONDS = 15.0
ENTERING_AT_ONCE = 25


async def enter(node: Node, count: int) -> list[Client]:
    gate = asyncio.Semaphore(ENTERING_AT_ONCE)

    async def one(number: int) -> Client:
        async with gate:
            return await node.member(f"user{number}", room=f"room{number % 10}")

    return list(await asyncio.gather(*(one(number) for number in range(count))))


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most of `times`, which rise, in any window of that length."""
    return max(bisect_left(times, begin + seconds) - at for at, begin in enumerate(times))


async def test_five_hundred_people_are_moved_two_percent_at_a_time(
    database: Database, redis_url: str, redis: Redis
) -> None:
    chosen = msgspec.structs.replace(
        settings(database),
        limits=Limits(),
        redis=RedisSettings(url=redis_url),
        live=LiveSettings(port=0, public_url="ws://127.0.0.1:{port}"),
    )
    nodes = Nodes(redis)
    nodes.start()
    async with running(chosen) as node:
        await until(lambda: nodes.url_for("anything") == f"ws://127.0.0.1:{node.port}")
        people = await enter(node, PEOPLE)
        await until(lambda: nodes.alive[0].members == PEOPLE)
        closed_at: list[float] = []

        async def watch(client: Client) -> None:
            assert (await client.until_closed()).code == CloseCode.RESTARTING
            closed_at.append(time.monotonic())

        watching = [asyncio.create_task(watch(client)) for client in people]
        for number, client in enumerate(people[:50]):
            await client.type(f"{number} at the end, ")
        told_at = time.monotonic()
        stopping = asyncio.create_task(node.child.stop())
        # Not ready at once, but alive; and nobody gets in any more.
        await until(lambda: any(each.draining for each in nodes.alive))
        assert (await node.get("/health/ready"))[0] == 503
        assert (await node.get("/health/live"))[0] == 200
        late = await node.enter("whatever")
        assert (await late.until_closed()).code == CloseCode.RESTARTING
        await asyncio.gather(*watching)
        await stopping
        assert await node.child.wait() == "exit code 0"
        assert time.monotonic() - told_at < GONE_SECONDS
        closed_at.sort()
        # What this busy process looks at late seems to come with what comes after it: that the node itself closes no
        # more than a share is seen in `tests/collab_core/test_drain.py`.
        assert most_within(closed_at, WINDOW_SECONDS) <= 4 * SHARE
        assert closed_at[-1] - closed_at[0] > PEOPLE / SHARE * WINDOW_SECONDS * 0.98
        await until(lambda: not nodes.alive or nodes.alive[0].draining)
        saved = [client.saved == client.sent for client in people[:50]]
        assert all(saved)
    await nodes.close()
    async with running(settings(database)) as node:
        for room in range(10):
            text = (await node.member("eve", room=f"room{room}")).text
            assert all(f"{number} at the end" in text for number in range(room, 50, 10))
