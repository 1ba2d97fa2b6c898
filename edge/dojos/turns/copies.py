"""Copies of a room's roles and people in Redis, for whoever wants to read them there: never the truth about anything.

`{<tenant>}:room:<room>:participants`, a set of user ids, and `{<tenant>}:room:<room>:roles`, a hash with `pilot`,
`copilot` and `version`. The braces put both into one slot of a cluster.
"""

from __future__ import annotations

import contextlib
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from edge.dojos.turns.store import RoomTurns
from kernel.redis import RedisAway, or_away

KEPT_SECONDS: Final = 12 * 3600
"""After the last change."""
KEPT_AFTER_END_SECONDS: Final = 60

# An older version never replaces a newer one, however late it comes.
_WRITE: Final = """
local held = tonumber(redis.call('HGET', KEYS[2], 'version') or '-1')
if held > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[2], 'version', ARGV[1], 'pilot', ARGV[3], 'copilot', ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[2])
for first = 5, #ARGV, 1000 do
    redis.call('SADD', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""


def participants_key(tenant: UUID, room: UUID) -> str:
    return f"{{{tenant}}}:room:{room}:participants"


def roles_key(tenant: UUID, room: UUID) -> str:
    return f"{{{tenant}}}:room:{room}:roles"


class Copies:
    """Writes them. Without `redis` there are none."""

    def __init__(self, redis: Redis | None) -> None:
        self._redis = redis
        self._write = redis.register_script(_WRITE) if redis is not None else None

    async def write(self, room: RoomTurns) -> None:
        """After a commit. Roles nobody has are empty. Never fails: a copy that is missing expires or is replaced."""
        if self._write is None:
            return
        state = room.state
        seconds = KEPT_SECONDS if room.open else KEPT_AFTER_END_SECONDS
        roles = [str(user) if user is not None else "" for user in (state.pilot, state.copilot)]
        with contextlib.suppress(RedisAway), or_away():
            await self._write(
                keys=[participants_key(room.tenant, room.room), roles_key(room.tenant, room.room)],
                args=[room.version, seconds, *roles, *(str(user) for user in state.seats)],
            )
