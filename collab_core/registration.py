"""A live node tells that it is there: its lease in Redis, and how much it has to do."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec
from redis.asyncio import Redis

from collab_core.nodes import EPOCHS, USUAL, Pace, lease_of
from collab_core.placement import Node
from kernel.redis import RedisAway, or_away

BUSY_ABOVE: Final = 0.85
"""Part of a core. One event loop has one core; above this its keystrokes queue."""
BUSY_BELOW: Final = 0.60
"""A node that was overloaded is so until it has fallen below this: it must not swing."""
SMOOTHED_OVER: Final = 5.0
"""Seconds over which the use of the core is averaged."""
FULL_ABOVE: Final = 0.9
"""Part of the sockets that a node takes."""

log = logging.getLogger(__name__)


class Load:
    """How busy a node is, from what its process has used of a core, sans I/O. Times are seconds."""

    def __init__(self, cpu: float, now: float) -> None:
        """`cpu` is what the process has used since it started."""
        self.busy = 0.0
        self.overloaded = False
        self._cpu = cpu
        self._at = now

    def look(self, cpu: float, now: float, *, full: float = 0.0) -> None:
        """Take a reading. `full` is the part of the node's sockets that is in use."""
        passed = now - self._at
        if passed <= 0:
            return
        part = min(1.0, passed / SMOOTHED_OVER)
        self.busy += ((cpu - self._cpu) / passed - self.busy) * part
        self._cpu, self._at = cpu, now
        self.overloaded = full > FULL_ABOVE or self.busy > (BUSY_BELOW if self.overloaded else BUSY_ABOVE)


class Registration:
    """`start` it when the node serves, `drain` it before the node drains, `close` it when it has."""

    def __init__(
        self,
        redis: Redis | None,
        node: Node,
        *,
        counts: Callable[[], tuple[int, int, float]],
        pace: Pace = USUAL,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        """`counts` gives members, rooms, and the part of the node's sockets in use. Without `redis` nobody is told."""
        self._redis = redis
        self._node = node
        self._counts = counts
        self._pace = pace
        self._now = clock
        self._cpu = cpu
        self._load = Load(cpu(), clock())
        self._told = True
        self._task: asyncio.Task[None] | None = None

    def start(self, *, url: str | None) -> None:
        """Renew the lease until `close`. `url` is where clients reach this node and no other; None: nowhere."""
        self._node = msgspec.structs.replace(self._node, url=url)
        if self._redis is not None:
            self._task = asyncio.get_running_loop().create_task(self._keep_renewing(self._redis), name="renew lease")

    async def drain(self) -> None:
        """Tell that this node is going away, from now on. Does not fail, and does not wait long, if Redis is away."""
        self._node = msgspec.structs.replace(self._node, draining=True)
        if self._redis is not None and self._task is not None:
            await self._renew(self._redis)

    async def close(self) -> None:
        """Leave: others take this node for gone, and what it held for committed or theirs to commit."""
        if self._redis is None or self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            with or_away():
                async with self._redis.pipeline() as pipe:
                    pipe.delete(lease_of(self._node.epoch))
                    pipe.srem(EPOCHS, self._node.epoch.bytes)
                    await pipe.execute()
        except RedisAway as error:
            log.warning("nobody could be told that this node has left; its lease ends by itself (%s)", error)

    async def _keep_renewing(self, redis: Redis) -> None:
        while True:
            try:
                await self._renew(redis)
            except Exception:  # renewing must not end, whatever it met
                log.exception("the lease was not renewed")
            await asyncio.sleep(self._pace.pause())

    async def _renew(self, redis: Redis) -> None:
        members, rooms, full = self._counts()
        load = self._load
        load.look(self._cpu(), self._now(), full=full)
        node = msgspec.structs.replace(
            self._node, members=members, rooms=rooms, busy=round(load.busy, 3), overloaded=load.overloaded
        )
        try:
            with or_away():
                async with redis.pipeline() as pipe:
                    pipe.sadd(EPOCHS, node.epoch.bytes)
                    pipe.set(lease_of(node.epoch), msgspec.json.encode(node), px=int(self._pace.lease * 1000))
                    await pipe.execute()
        except RedisAway as error:
            if self._told:
                log.warning("this node's lease is not renewed until Redis is back (%s)", error)
            self._told = False
        else:
            self._told = True
