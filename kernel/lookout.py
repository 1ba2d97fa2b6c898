"""Keeping up with what others change in Postgres: a bell in Redis that is heard at once, and a look every few seconds.

Redis only rings. Whoever misses a ring finds out at the next look, which comes sooner while nothing can be heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from redis.asyncio import Redis

from kernel.redis import RedisAway, or_away

LOOK_SECONDS: Final = 4.0
"""Longest pause between two looks, also when Redis hangs without our noticing."""
LOOK_ALONE_SECONDS: Final = 2.0
"""The same while no bell can be heard."""
LOOK_GAP_SECONDS: Final = 0.1
"""Shortest pause: however often it is told to, a process looks ten times a second."""
SUBSCRIBE_AGAIN_SECONDS: Final = (0.2, 5.0)
"""First and longest pause before Redis is tried again."""
LISTEN_SECONDS: Final = 1.0
"""For one wait on the subscription."""

log = logging.getLogger(__name__)


class Lookout:
    """`start` it, `close` it at the end."""

    def __init__(
        self,
        redis: Redis | None,
        channel: str,
        *,
        look: Callable[[], Awaitable[None]],
        heard: Callable[[bytes], None] | None = None,
    ) -> None:
        """`look` is awaited every few seconds and whenever rings may have been missed, one at a time; what it raises is
        logged, and it is called again. `heard` is called with each message of `channel` and raises nothing; without it
        each message makes for a look."""
        self._redis = redis
        self._channel = channel
        self._look = look
        self._heard = heard
        self._wanted = asyncio.Event()
        self._hears = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def hears(self) -> bool:
        """Whether a ring would be heard: Redis is there."""
        return self._hears

    def start(self) -> None:
        """Listen and look until `close`."""
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._keep_looking(), name=f"look after {self._channel}"))
        if self._redis is not None:
            self._tasks.append(loop.create_task(self._listen(self._redis), name=f"hear {self._channel}"))

    async def close(self) -> None:
        """Stop. A look under way is cancelled."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def look_soon(self) -> None:
        """Look as soon as the gap allows."""
        self._wanted.set()

    async def _keep_looking(self) -> None:
        failures = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_jittered(LOOK_SECONDS if self._hears else LOOK_ALONE_SECONDS)):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._look()
                failures = 0
            except Exception as error:  # looking must not end, whatever it met
                failures += 1
                if failures == 1:
                    log.warning("a look after %s failed: %s", self._channel, type(error).__name__, exc_info=True)
            await asyncio.sleep(_jittered(LOOK_GAP_SECONDS * 2 ** min(failures, 4)))

    async def _listen(self, redis: Redis) -> None:
        shortest, longest = SUBSCRIBE_AGAIN_SECONDS
        pause = shortest
        while True:
            try:
                async with redis.pubsub() as subscription:
                    with or_away():
                        await subscription.subscribe(self._channel)
                        while True:
                            message = await subscription.get_message(timeout=LISTEN_SECONDS)
                            if message is None:
                                continue
                            if message["type"] == "subscribe":
                                self._hears = True
                                pause = shortest
                                # It may have rung while nobody listened.
                                self._wanted.set()
                            elif message["type"] == "message":
                                self._take(message["data"])
            except RedisAway as error:
                if self._hears:
                    log.warning("%s is not heard, Postgres is looked at more often: %s", self._channel, error)
            except Exception:  # the bell is worth trying again, whatever it met
                log.exception("cannot listen for %s", self._channel)
            self._hears = False
            self._wanted.set()
            await asyncio.sleep(_jittered(pause))
            pause = min(2 * pause, longest)

    def _take(self, message: bytes) -> None:
        if self._heard is None:
            self._wanted.set()
        else:
            self._heard(message)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, hides nothing
