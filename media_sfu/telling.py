"""Telling live nodes what goes on in rooms: over Redis, at most so often, and again every few seconds.

A message says everything about its room, so one that is lost costs two seconds and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from kernel.redis import RedisAway, or_away
from media_sfu.room import Room

CHANNEL: Final = "dojo:voice:{room}"
GAP_SECONDS: Final = 0.1
"""Between two messages about one room: nobody reads faster who speaks."""
AGAIN_SECONDS: Final = 2.0
"""A room is told of again after so long without news."""
CLOSE_SECONDS: Final = 0.5
"""For the last messages of a process that ends: that its rooms are empty."""

log = logging.getLogger(__name__)


class Telling:
    """`look` is called with every step and decides what is to be told; a task of its own tells it."""

    def __init__(self, redis: Redis | None, name: str, *, wall: Callable[[], float] = time.time) -> None:
        """`name` is this process'. Without `redis` nobody is told."""
        self._redis = redis
        self._name = name
        self._wall = wall
        self._told_at: dict[UUID, float] = {}
        self._waiting: dict[UUID, bytes] = {}
        """The newest of each room, so there are never more than rooms."""
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.told = 0
        self.lost = 0
        """Messages that Redis did not take. The next about the same room says all that they said."""
        self.faults = 0

    def start(self) -> None:
        """Tell, until `close`."""
        if self._redis is not None:
            self._task = asyncio.get_running_loop().create_task(self._run(self._redis), name="tell of voice")

    async def close(self) -> None:
        """Tell what waits, if Redis takes it soon, and no more."""
        if self._task is None or self._redis is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._publish(self._redis)

    def look(self, rooms: Mapping[UUID, Room], now: float) -> None:
        """Tell of rooms with news, and of those not told of for long."""
        if self._redis is None:
            return
        for key, room in rooms.items():
            passed = now - self._told_at.get(key, -AGAIN_SECONDS)
            if passed >= AGAIN_SECONDS or (room.changed and passed >= GAP_SECONDS):
                self._told_at[key] = now
                room.changed = False
                try:
                    self.tell(room)
                except Exception:
                    self._fault()
        for key in self._told_at.keys() - rooms.keys():
            del self._told_at[key]

    def tell(self, room: Room) -> None:
        """At once, and as it is now; also of a room that nobody is in any more."""
        if self._redis is None:
            return
        state = msgspec.structs.replace(room.state(), sfu=self._name, at=self._wall())
        self._waiting[room.id] = msgspec.json.encode(state)
        self._news.set()

    async def _run(self, redis: Redis) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._publish(redis)
            except Exception:
                self._fault()

    async def _publish(self, redis: Redis) -> None:
        if not self._waiting:
            return
        messages, self._waiting = self._waiting, {}
        try:
            with or_away():
                pipeline = redis.pipeline(transaction=False)
                for room, message in messages.items():
                    pipeline.publish(CHANNEL.format(room=room), message)
                await pipeline.execute()
        except RedisAway:
            self.lost += len(messages)  # told of again within two seconds
        else:
            self.told += len(messages)

    def _fault(self) -> None:
        self.faults += 1
        if self.faults & (self.faults - 1) == 0:  # the log is for people: once, twice, four times
            log.exception("what goes on in a room could not be told (%d times so far)", self.faults)
