"""The bell of dojos: tells live nodes that something about a room changed in Postgres, and nothing about what.

It carries ids only. Whoever hears it reads Postgres; who does not hear it finds out at its next look.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from kernel.http.operation import Call
from kernel.redis import RedisAway, or_away

CHANNEL: Final = "dojo:rooms"


class Rung(msgspec.Struct, frozen=True, array_like=True):
    """What is published, as msgpack: rooms of one tenant."""

    tenant: UUID
    rooms: tuple[UUID, ...]


def read(message: bytes) -> Rung | None:
    """What was rung, or None for a message that another version of Dojo, or nobody of ours, has sent."""
    try:
        return msgspec.msgpack.decode(message, type=Rung)
    except msgspec.DecodeError:
        return None


class Bell:
    """Rings; without `redis` nobody hears, but for `own`, who hears every ring of this process."""

    def __init__(self, redis: Redis | None, own: Callable[[UUID, Sequence[UUID]], None] | None = None) -> None:
        """`own` raises nothing."""
        self._redis = redis
        self._own = own

    async def ring(self, tenant: UUID, rooms: Sequence[UUID]) -> None:
        """After a commit that changed something about these rooms. Never fails."""
        if self._own is not None:
            self._own(tenant, rooms)
        if self._redis is None or not rooms:
            return
        with contextlib.suppress(RedisAway), or_away():
            await self._redis.publish(CHANNEL, msgspec.msgpack.encode(Rung(tenant, tuple(rooms))))

    async def after_commit(self, call: Call[Any, Any], dojo: UUID) -> None:
        """Ring for every room of `dojo` once the transaction of `call` is committed."""
        tenant = call.caller.tenant
        rows = await call.db.fetch("SELECT room_id FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2", tenant, dojo)
        call.after_commit(partial(self.ring, tenant, [row["room_id"] for row in rows]))
