"""Nodes whose bus goes over a Redis, and what is done to that Redis."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from uuid import uuid4

from redis.asyncio import Redis

from collab_core.bus.redis import BEAT_SECONDS, RedisBus
from collab_core.identity import RoomKey
from dojo.embedded.redis import EmbeddedRedis
from tests.collab_core.journal.watching import Watched
from tests.collab_core.live import until

ROOM = RoomKey(uuid4(), "kata")
NOTICED_SECONDS = 3 * BEAT_SECONDS
"""A Redis that stands still is noticed within."""
SLACK_SECONDS = 1.5
"""On top of a time limit, on a busy machine."""


class Node:
    """A bus, what it heard in one room, and how often it was interrupted."""

    def __init__(self, redis: Redis) -> None:
        self.epoch = uuid4()
        self.bus = RedisBus(redis, self.epoch)
        self.heard = Watched[bytes]()
        self.interrupted = Watched[int]()
        self.bus.on_interrupted(lambda: self.interrupted(1))

    def sample(self, name: str) -> float:
        return {sample.name: sample.value for sample in self.bus.samples()}[f"dojo_bus_{name}"]

    async def until_interrupted(self, times: int = 1) -> None:
        await self.interrupted.until(lambda values: len(values) == times)

    async def until_up(self, up: bool = True) -> None:
        await until(lambda: self.bus.up is up)


async def meet(*nodes: Node, word: bytes) -> None:
    """All are up and hear the first one."""
    for node in nodes:
        await node.until_up()
    nodes[0].bus.publish(ROOM, word)
    for node in nodes:
        await node.heard.until_last(word)


def paused(server: EmbeddedRedis, *, so: bool = True) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP if so else signal.SIGCONT)


async def cut_off(client: Redis, which: Callable[[dict[str, str]], bool]) -> None:
    """End the connections of buses."""
    for each in await client.client_list():
        if each["name"] == "test-bus" and which(each):
            await client.client_kill_filter(_id=each["id"])
