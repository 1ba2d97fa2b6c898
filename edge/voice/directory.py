"""Which SFU has a room.

Every SFU writes down in Redis, twice a second, where it is and how much it has to do; what it does not renew is gone
after a second and a half. A room is put on the one with the least to do, and stays there while that one lives. When
that one is full, further people of the room go to others, which then hold the room too and tell each other what is
said: each SFU writes down of which rooms it has people.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from kernel.redis import RedisAway, or_away

SFUS: Final = "dojo:sfus"
"""A set of all names; whose key has ended is gone."""
SFU: Final = "dojo:sfu:"
"""With a name behind it: where it is, as JSON, for `SFU_SECONDS`."""
ROOM: Final = "dojo:voice-room:"
"""With a room's id behind it: the name of its SFU."""
HOLDERS: Final = "dojo:voice-holders:"
"""With a room's id behind it: the names of the SFUs that have people of it, gone ones too; by a time of Redis, in
milliseconds."""
HOLDERS_SECONDS: Final = 10
"""What an SFU does not write down again for so long, it takes out."""
SFU_SECONDS: Final = 1.5
FRESH_SECONDS: Final = 0.25
"""For so long it is not asked anew which SFUs there are, for newcomers: they renew that every half a second."""
ROOM_SECONDS: Final = 24 * 3600
"""Since somebody connected last; more than a dojo lasts."""

# Whoever is first puts the room; whoever finds it on an SFU that is gone, too. One of them wins, and all go by it.
_PUT: Final = """
local now = redis.call('GET', KEYS[1])
if now and now ~= ARGV[1] then return now end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return ARGV[2]
"""

# As the SFU itself does a moment later.
_HELD: Final = """
local time = redis.call('TIME')
redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
local found = redis.call('ZRANGE', KEYS[2], 0, -1)
local first = redis.call('GET', KEYS[1])
if first then table.insert(found, first) end
return found
"""

log = logging.getLogger(__name__)


class Registered(msgspec.Struct, frozen=True):
    """An SFU, as it says."""

    url: str
    load: float
    """Of what it can take, 0 to 1; more than 1 if it has too much."""
    at: float = 0.0


class Directory:
    """Finds SFUs. `otherwise` is the base URL of the one there is while none has registered."""

    def __init__(
        self,
        redis: Redis | None,
        otherwise: str | None,
        *,
        fresh_seconds: float = FRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._otherwise = otherwise
        self._fresh_seconds = fresh_seconds
        self._now_is = clock
        self._asking = asyncio.Lock()
        self._alive_until = 0.0
        self._seen_alive: dict[str, Registered] = {}
        self._put: Any = redis.register_script(_PUT) if redis is not None else None
        self._hold: Any = redis.register_script(_HELD) if redis is not None else None

    async def of_room(self, room: UUID, *, beside: UUID | None = None) -> str | None:
        """The base URL of the SFU that has `room`, or is to have it from now on; None if there is no SFU. A room that
        no SFU has goes where the room `beside` is."""
        if self._redis is None:
            return self._otherwise
        try:
            return await self._place(room, beside)
        except RedisAway as error:
            log.warning("which SFU has a room is not known: %s", error)
            return self._otherwise

    async def seat(self, room: UUID, *, beside: UUID | None = None, full: Collection[str] = ()) -> str | None:
        """The base URL of the SFU that the next one to come into `room` is to connect to; `full` are those that have
        just refused them. None if no SFU is left. A room that several SFUs have fills all of them alike."""
        if self._redis is None:
            return None if self._otherwise in full else self._otherwise
        try:
            names, alive = await self._spread(room), await self._lately_alive()
            if names and names[0] in alive:
                first: str | None = alive[names[0]].url
            else:
                first = await self._place(room, beside)
                alive = await self._alive()
        except RedisAway as error:
            log.warning("which SFUs have a room is not known: %s", error)
            return None if self._otherwise in full else self._otherwise
        left = {name: one for name, one in alive.items() if one.url not in full}
        there = {name: one for name, one in left.items() if name in names or one.url == first}
        chosen = _by_room_left(there) or _by_room_left(left)
        if chosen is not None:
            return chosen.url
        return None if first in full else first

    async def holders(self, room: UUID) -> list[str]:
        """The base URLs of all SFUs that have people of `room`, and of the one it was put on, which is first. What is
        commanded of a room or of somebody in it is for each of them; who is not there is no failure."""
        return list(dict.fromkeys((await self.holding(room)).values()))

    async def holding(self, room: UUID) -> dict[str, str]:
        """The same by name: "" is the one there is while none has registered."""
        there_is = {} if self._otherwise is None else {"": self._otherwise}
        if self._redis is None:
            return there_is
        try:
            names, alive = await self._spread(room), await self._alive()
        except RedisAway as error:
            log.warning("which SFUs have a room is not known: %s", error)
            return there_is
        return {name: alive[name].url for name in names if name in alive} if alive else there_is

    async def holds(self, room: UUID, url: str) -> list[str]:
        """The SFU at `url` has somebody of `room` since just now: from now on it is one of the holders. The base URLs
        of the others."""
        if self._redis is None:
            return []
        try:
            alive = await self._lately_alive()
            # One that was started again where another was killed may be there twice for a moment.
            name = max(
                (name for name in alive if alive[name].url == url), key=lambda name: alive[name].at, default=None
            )
            if name is None:
                return [other for other in await self.holders(room) if other != url]
            with or_away():
                names = await self._hold(keys=[ROOM + str(room), HOLDERS + str(room)], args=[name, HOLDERS_SECONDS])
        except RedisAway as error:
            log.warning("which SFUs have a room is not written down: %s", error)
            return []
        there = {alive[one.decode()].url for one in cast(list[bytes], names) if one.decode() in alive}
        return sorted(there - {url})

    async def lives(self, name: str) -> bool:
        """Whether the SFU of this name renews what it wrote down. Raises `RedisAway`."""
        if self._redis is None:
            return True
        with or_away():
            return bool(await self._redis.exists(SFU + name))

    async def _place(self, room: UUID, beside: UUID | None) -> str | None:
        name, found = await self._now(room)
        if found is not None:
            return found.url
        alive = await self._alive()
        if not alive:
            return self._otherwise
        there = (await self._now(beside))[0] if beside is not None else None
        holding = {other: alive[other] for other in await self._spread(room) if other in alive}
        chosen = there if there in alive else _least_loaded(holding or alive)
        with or_away():
            won = await self._put(keys=[ROOM + str(room)], args=[name or "", chosen, ROOM_SECONDS])
        taken = alive.get(won.decode())
        return taken.url if taken is not None else None

    async def _now(self, room: UUID) -> tuple[str | None, Registered | None]:
        """The name of the room's SFU, and the SFU if it lives."""
        assert self._redis is not None
        with or_away():
            name = cast(bytes | None, await self._redis.get(ROOM + str(room)))
            if name is None:
                return None, None
            return name.decode(), _read(cast(bytes | None, await self._redis.get(SFU + name.decode())))

    async def _spread(self, room: UUID) -> list[str]:
        """The names of the SFU that the room was put on, and of those that have people of it; also of those gone."""
        assert self._redis is not None
        with or_away():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.get(ROOM + str(room))
            pipeline.zrange(HOLDERS + str(room), 0, -1)
            first, holders = cast(tuple[bytes | None, list[bytes]], await pipeline.execute())
        return list(dict.fromkeys(name.decode() for name in ([] if first is None else [first]) + sorted(holders)))

    async def _lately_alive(self) -> dict[str, Registered]:
        """As they were a moment ago, once for all who come in a crowd."""
        async with self._asking:
            if self._now_is() >= self._alive_until:
                self._seen_alive = await self._alive()
                self._alive_until = self._now_is() + self._fresh_seconds
        return self._seen_alive

    async def _alive(self) -> dict[str, Registered]:
        assert self._redis is not None
        with or_away():
            names = sorted(name.decode() for name in cast(set[bytes], await self._redis.smembers(SFUS)))
            told = cast(list[bytes | None], await self._redis.mget([SFU + name for name in names]) if names else [])
        found = {name: _read(one) for name, one in zip(names, told, strict=True)}
        return {name: one for name, one in found.items() if one is not None}


def _least_loaded(alive: dict[str, Registered]) -> str:
    """Of those alike any: all who ask at the same moment read the same loads."""
    least = min(one.load for one in alive.values())
    return random.choice([name for name, one in alive.items() if one.load <= least + 0.02])  # noqa: S311 - spreads load


def _by_room_left(some: Mapping[str, Registered]) -> Registered | None:
    """One that is not full: those with more room more often, so that a crowd that reads the same loads is spread."""
    room_left = {name: 1 - one.load for name, one in some.items() if one.load < 1}
    if not room_left:
        return None
    return some[random.choices(list(room_left), list(room_left.values()))[0]]  # noqa: S311 - spreads load


def _read(told: bytes | None) -> Registered | None:
    try:
        return None if told is None else msgspec.json.decode(told, type=Registered)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
