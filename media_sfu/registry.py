"""A voice process says in Redis that it is there, where, and how much it has to do."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from typing import Final, cast

import msgspec
from redis.asyncio import Redis

from kernel.redis import RedisAway, or_away

BEAT_SECONDS: Final = 0.5
LEASE_MILLISECONDS: Final = 1_500
"""Three beats: a process that is gone is known to be within this."""
SWEEP_BEATS: Final = 60
"""Between two looks for names that were left behind: they cost whoever reads them all a little."""
KEY: Final = "dojo:sfu:{name}"
NAMES: Final = "dojo:sfus"
"""The names of all that ever registered and did not leave: whoever reads looks which of them have a lease."""

log = logging.getLogger(__name__)


class Registered(msgspec.Struct, frozen=True):
    """What is written. `load`: connections, of those that it takes. `at`: Unix seconds. `relay`: host and port where
    it takes what other processes send it, "" if nowhere; `relay_key`: base64 of what it encrypts with itself."""

    url: str
    load: float
    at: float
    relay: str = ""
    relay_key: str = ""

    def __repr__(self) -> str:
        """Without the key."""
        return f"Registered(url={self.url!r}, load={self.load:.2f}, relay={self.relay!r})"


def new_name(host: str, port: int) -> str:
    """Of a process that begins: told of no other, and never again of one that listens there later."""
    return f"{host}:{port}:{secrets.token_hex(4)}"


def decode(told: bytes | None) -> Registered | None:
    """What a process wrote; None if it is gone, or wrote nothing that can be read."""
    try:
        return None if told is None else msgspec.json.decode(told, type=Registered)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class Registry:
    """`start` it when the process serves, `close` it before it ends."""

    def __init__(
        self,
        redis: Redis,
        name: str,
        url: str,
        *,
        load: Callable[[], float],
        relay: str = "",
        relay_key: bytes = b"",
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`url` is where the edge reaches the process; `name` as `new_name` makes one."""
        self._redis = redis
        self._name = name
        self._url = url
        self._load = load
        self._relay = relay
        self._relay_key = base64.b64encode(relay_key).decode()
        self._wall = wall
        self._beats = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Register now, and renew until `close`."""
        await self._beat()
        self._task = asyncio.get_running_loop().create_task(self._keep(), name="renew the voice lease")

    async def close(self) -> None:
        """Nobody is sent here any more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(RedisAway), or_away():
            await self._redis.delete(KEY.format(name=self._name))
            await self._redis.srem(NAMES, self._name)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self._beat()

    async def _beat(self) -> None:
        registered = Registered(self._url, self._load(), self._wall(), self._relay, self._relay_key)
        try:
            with or_away():
                pipeline = self._redis.pipeline(transaction=False)
                pipeline.set(KEY.format(name=self._name), msgspec.json.encode(registered), px=LEASE_MILLISECONDS)
                pipeline.sadd(NAMES, self._name)
                await pipeline.execute()
                if self._beats % SWEEP_BEATS == 0:
                    await self._sweep()
            self._beats += 1
        except RedisAway as error:
            log.warning("this voice process could not be registered: %s", error)

    async def _sweep(self) -> None:
        """Forget the names of processes that were killed. One that lives writes its name again with its next beat."""
        names = sorted(cast(set[bytes], await self._redis.smembers(NAMES)))
        leases = cast(list[bytes | None], await self._redis.mget([KEY.format(name=name.decode()) for name in names]))
        gone = [name for name, lease in zip(names, leases, strict=True) if lease is None]
        if gone:
            await self._redis.srem(NAMES, *gone)
