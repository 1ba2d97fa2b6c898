"""Which processes have people of a room: each writes itself down in Redis twice a second, and reads the others.

A sorted set per room, of names by the time of Redis' own clock: no two machines' clocks are compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from redis.asyncio import Redis

from kernel.redis import or_away
from media_sfu.registry import KEY as PROCESS
from media_sfu.registry import Registered, decode

KEY: Final = "dojo:voice-holders:{room}"
HOLD_MILLISECONDS: Final = 10_000
"""Who has not renewed for so long has nobody of a room. Long, so that a busy process is not left out: one that is lost
is known by its lease, and one that everybody has left says so."""
ROOMS_AT_ONCE: Final = 64
"""In one call: 64 take Redis 0.2 ms, and this process as much to read."""

_HOLD: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for place, key in ipairs(KEYS) do
  redis.call('ZADD', key, now, ARGV[1])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - ARGV[2])
  redis.call('PEXPIRE', key, ARGV[2])
  found[place] = redis.call('ZRANGE', key, 0, -1)
end
return found
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """`others`: by room, the names of the other processes that have people of it. `processes`: where they are, those
    that live."""

    others: Mapping[UUID, frozenset[str]]
    processes: Mapping[str, Registered]


class Holders:
    """All methods raise `RedisAway`."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name
        self._hold: Any = redis.register_script(_HOLD)

    async def look(self, rooms: Collection[UUID]) -> Seen:
        """Write down that this process has `rooms`, and see who else does."""
        others: dict[UUID, frozenset[str]] = {}
        names: set[str] = set()
        wanted = list(rooms)
        for begin in range(0, len(wanted), ROOMS_AT_ONCE):
            part = wanted[begin : begin + ROOMS_AT_ONCE]
            with or_away():
                found = await self._hold(
                    keys=[KEY.format(room=room) for room in part], args=[self._name, HOLD_MILLISECONDS]
                )
            for room, holders in zip(part, cast(list[list[bytes]], found), strict=True):
                others[room] = frozenset(holder.decode() for holder in holders) - {self._name}
                names |= others[room]
        return Seen(others, await self._processes(sorted(names)))

    async def leave(self, rooms: Collection[UUID]) -> None:
        """This process has nobody of `rooms` any more."""
        if not rooms:
            return
        with or_away():
            pipeline = self._redis.pipeline(transaction=False)
            for room in rooms:
                pipeline.zrem(KEY.format(room=room), self._name)
            await pipeline.execute()

    async def _processes(self, names: list[str]) -> dict[str, Registered]:
        if not names:
            return {}
        with or_away():
            told = cast(list[bytes | None], await self._redis.mget([PROCESS.format(name=name) for name in names]))
        read = {name: decode(one) for name, one in zip(names, told, strict=True)}
        return {name: one for name, one in read.items() if one is not None}
