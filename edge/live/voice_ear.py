"""What voice processes tell of rooms that are open on this node, over Redis: one connection, a channel per room.

Each word says everything about a process' part of a room, or all but the people, and everything comes again within two
seconds: one that is missed costs no more.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis

from edge.voice.state import CHANNEL, NotState, VoiceChange, VoiceState, decode_told
from kernel.redis import RedisAway, or_away

ANCHOR: Final = CHANNEL + "none"
"""A channel that nobody speaks on: a subscription to nothing is none."""
LISTEN_SECONDS: Final = 1.0
"""For one wait on the subscription."""
AGAIN_SECONDS: Final = (0.2, 5.0)
"""First and longest pause before Redis is tried again."""

log = logging.getLogger(__name__)


class VoiceEar:
    """`start` it, name the rooms with `want` and `drop`, `close` it."""

    def __init__(self, redis: Redis | None, heard: Callable[[VoiceState | VoiceChange], None]) -> None:
        """`heard` raises nothing."""
        self._redis = redis
        self._heard = heard
        self._wanted: set[UUID] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen until `close`."""
        if self._redis is not None:
            self._task = asyncio.get_running_loop().create_task(self._listen(self._redis), name="hear of voice")

    async def close(self) -> None:
        """Hear nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def want(self, room: UUID) -> None:
        """Hear of `room` from now on."""
        self._wanted.add(room)
        self._changed.set()

    def drop(self, room: UUID) -> None:
        """Not any more."""
        self._wanted.discard(room)
        self._changed.set()

    async def _listen(self, redis: Redis) -> None:
        shortest, longest = AGAIN_SECONDS
        pause = shortest
        while True:
            following: asyncio.Task[None] | None = None
            try:
                async with redis.pubsub() as subscription:
                    with or_away():
                        await subscription.subscribe(ANCHOR)
                        following = asyncio.get_running_loop().create_task(
                            self._follow(subscription), name="subscribe to voice"
                        )
                        while not following.done():
                            message = await subscription.get_message(timeout=LISTEN_SECONDS)
                            if message is None:
                                continue
                            pause = shortest
                            if message["type"] == "message":
                                self._take(message["data"])
                        following.result()
            except RedisAway as error:
                log.warning("nothing is heard of voice: %s", error)
            except Exception:  # it is worth listening again, whatever it met
                log.exception("cannot hear of voice")
            finally:
                if following is not None:
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load, hides nothing
            pause = min(2 * pause, longest)

    async def _follow(self, subscription: Any) -> None:
        """Subscribe to what is wanted. Writing and reading one connection may go on side by side."""
        there: set[UUID] = set()
        while True:
            self._changed.clear()
            come, gone = self._wanted - there, there - self._wanted
            with or_away():
                if come:
                    await subscription.subscribe(*(CHANNEL + str(room) for room in come))
                if gone:
                    await subscription.unsubscribe(*(CHANNEL + str(room) for room in gone))
            there = (there | come) - gone
            await self._changed.wait()

    def _take(self, message: bytes) -> None:
        try:
            told = decode_told(message)
        except NotState as error:
            log.warning("what a voice process says cannot be read: %s", error)
            return
        if told.room in self._wanted:
            self._heard(told)
