"""Telling live nodes what goes on in rooms: over Redis, at most so often, and again every few seconds.

A message says all about its room, or all but the people, who are as one of those before has said. So one that is lost
costs two seconds and nothing else. All about 800 people is 120 KB, the rest some 300 bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from kernel.redis import RedisAway, or_away
from media_sfu.room import Room

CHANNEL: Final = "dojo:voice:{room}"
GAP_SECONDS: Final = 0.1
"""Between two messages about one room: nobody reads faster who speaks."""
PEOPLE_SECONDS: Final = 1.0
"""Between two that name its people."""
AGAIN_SECONDS: Final = 2.0
"""All about a room is told again after so long, also without news."""
CLOSE_SECONDS: Final = 0.5
"""For the last messages of a process that ends: that its rooms are empty."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Told:
    """When a room was told of, when with its people, and of which."""

    at: float
    people_at: float
    version: int


class Telling:
    """`look` is called with every step and decides what is to be told; a task of its own tells it."""

    def __init__(self, redis: Redis | None, name: str, *, wall: Callable[[], float] = time.time) -> None:
        """`name` is this process'. Without `redis` nobody is told."""
        self._redis = redis
        self._name = name
        self._wall = wall
        self._told: dict[UUID, _Told] = {}
        self._states: dict[UUID, bytes] = {}
        """Those that wait. The newest of each room, so there are never more than rooms."""
        self._changes: dict[UUID, bytes] = {}
        """The same without people, where there is a newer one than the state that waits, or none waits."""
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.told = 0
        self.lost = 0
        """Messages that Redis did not take. The next state of the same room says all that they said."""
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
            told = self._told.get(key)
            try:
                if told is None or self._is_due(told, room, now):
                    self._told[key] = _Told(now, now, room.version)
                    room.changed = False
                    self.tell(room)
                    room.talked.clear()
                elif room.changed and now - told.at >= GAP_SECONDS:
                    told.at = now
                    room.changed = False
                    self._tell_change(room)
            except Exception:
                self._fault()
        for key in self._told.keys() - rooms.keys():
            del self._told[key]

    @staticmethod
    def _is_due(told: _Told, room: Room, now: float) -> bool:
        """Whether all about it is to be told again."""
        if room.version != told.version and now - told.at < GAP_SECONDS:
            return False
        return now - told.people_at >= (AGAIN_SECONDS if room.version == told.version else PEOPLE_SECONDS)

    def tell(self, room: Room) -> None:
        """At once, and as it is now; also of a room that nobody is in any more."""
        if self._redis is None:
            return
        state = msgspec.structs.replace(room.state(), sfu=self._name, at=self._wall())
        self._states[room.id] = msgspec.json.encode(state)
        self._changes.pop(room.id, None)
        self._news.set()

    def _tell_change(self, room: Room) -> None:
        change = msgspec.structs.replace(room.change(), sfu=self._name, at=self._wall())
        self._changes[room.id] = msgspec.json.encode(change)
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
        messages = [*self._states.items(), *self._changes.items()]
        if not messages:
            return
        self._states, self._changes = {}, {}
        try:
            with or_away():
                pipeline = redis.pipeline(transaction=False)
                for room, message in messages:
                    pipeline.publish(CHANNEL.format(room=room), message)
                await pipeline.execute()
        except RedisAway:
            self.lost += len(messages)  # all is told again within two seconds
        else:
            self.told += len(messages)

    def _fault(self) -> None:
        self.faults += 1
        if self.faults & (self.faults - 1) == 0:  # the log is for people: once, twice, four times
            log.exception("what goes on in a room could not be told (%d times so far)", self.faults)
