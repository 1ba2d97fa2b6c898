"""A voice process says in Redis that it is there, where, and how much it has to do."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import Final, cast

import msgspec
from redis.asyncio import Redis

from kernel.redis import RedisAway, create_client, or_away

BEAT_SECONDS: Final = 0.5
LEASE_MILLISECONDS: Final = 1_500
"""Three beats: a process that is gone is known to be within this."""
STUCK_SECONDS: Final = 3.0
"""A process whose event loop has not turned for so long is of no use to anybody: it loses its lease too."""
CLOSE_SECONDS: Final = 3.0
"""For the last word to Redis, which gives up within two."""
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
    """`start` it when the process serves, `close` it before it ends.

    The lease is renewed by a thread with an event loop of its own. Hundreds of listeners make a turn of the process'
    loop take a quarter of a second when the machine is short of time, and a round trip to Redis takes several turns: a
    process that was late with its lease would be taken for gone just when it has most people, and those would be sent
    to the next one. A loop that does not turn at all loses the lease all the same.
    """

    def __init__(
        self,
        redis_url: str,
        name: str,
        url: str,
        *,
        load: Callable[[], float],
        relay: str = "",
        relay_key: bytes = b"",
        stuck_seconds: float = STUCK_SECONDS,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`url` is where the edge reaches the process; `name` as `new_name` makes one."""
        self._redis_url = redis_url
        self._name = name
        self._url = url
        self._load = load
        self._relay = relay
        self._relay_key = base64.b64encode(relay_key).decode()
        self._stuck_seconds = stuck_seconds
        self._wall = wall
        self._beats = 0
        self._away = False
        # What the thread reads of the process: written by its loop, which shows that it turns.
        self._told_load = 0.0
        self._turned_at = 0.0
        self._turning: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._thread_loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    async def start(self) -> None:
        """Register, and renew until `close`. Returns when that was tried once."""
        loop = asyncio.get_running_loop()
        tried = asyncio.Event()
        self._turn()
        self._turning = loop.create_task(self._keep_turning(), name="show that voice lives")

        def say_tried() -> None:
            with contextlib.suppress(RuntimeError):  # the process ended meanwhile
                loop.call_soon_threadsafe(tried.set)

        self._thread = threading.Thread(target=self._run, args=(say_tried,), name="voice lease", daemon=True)
        self._thread.start()
        await tried.wait()

    async def close(self) -> None:
        """Nobody is sent here any more."""
        if self._turning is not None:
            self._turning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._turning
        thread, self._thread = self._thread, None
        if thread is not None and self._thread_loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._thread_loop.call_soon_threadsafe(self._stop.set)
            await asyncio.to_thread(thread.join, CLOSE_SECONDS)

    # On the process' loop

    def _turn(self) -> None:
        self._told_load = self._load()
        self._turned_at = time.monotonic()

    async def _keep_turning(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS / 2)
            self._turn()

    # On the thread

    def _run(self, say_tried: Callable[[], None]) -> None:
        try:
            asyncio.run(self._renew(say_tried))
        except Exception:  # the process serves on: those who are in stay, nobody new is sent
            log.exception("this voice process cannot be registered any more")
        finally:
            say_tried()

    async def _renew(self, say_tried: Callable[[], None]) -> None:
        self._thread_loop = asyncio.get_running_loop()
        redis = create_client(self._redis_url, name="dojo-voice-lease")
        try:
            await self._beat(redis)
            say_tried()
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), BEAT_SECONDS)
                if not self._stop.is_set() and time.monotonic() - self._turned_at < self._stuck_seconds:
                    await self._beat(redis)
            with contextlib.suppress(RedisAway), or_away():
                await redis.delete(KEY.format(name=self._name))
                await redis.srem(NAMES, self._name)
        finally:
            await redis.aclose()

    async def _beat(self, redis: Redis) -> None:
        registered = Registered(self._url, self._told_load, self._wall(), self._relay, self._relay_key)
        try:
            with or_away():
                pipeline = redis.pipeline(transaction=False)
                pipeline.set(KEY.format(name=self._name), msgspec.json.encode(registered), px=LEASE_MILLISECONDS)
                pipeline.sadd(NAMES, self._name)
                await pipeline.execute()
                if self._beats % SWEEP_BEATS == 0:
                    await self._sweep(redis)
            self._beats += 1
        except RedisAway as error:
            # Said once per outage, not twice a second.
            if not self._away:
                log.warning("this voice process cannot be registered, nobody new is sent here: %s", error)
            self._away = True
        except Exception:  # the next may do better; without the lease the process would be taken for gone
            log.exception("the voice lease could not be renewed")
        else:
            self._away = False

    @staticmethod
    async def _sweep(redis: Redis) -> None:
        """Forget the names of processes that were killed. One that lives writes its name again with its next beat."""
        names = sorted(cast(set[bytes], await redis.smembers(NAMES)))
        leases = cast(list[bytes | None], await redis.mget([KEY.format(name=name.decode()) for name in names]))
        gone = [name for name, lease in zip(names, leases, strict=True) if lease is None]
        if gone:
            await redis.srem(NAMES, *gone)
