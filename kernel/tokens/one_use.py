"""Things that may be taken once: the id is in Redis or, while Redis is away, in Postgres."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis

from kernel.redis import RedisAway, or_away

ACQUIRE_SECONDS: Final = 2.0
"""How long to wait for a database connection."""


class OneUse:
    """Takes an id once over all processes that share this Redis and this Postgres.

    Redis forgets everything when it restarts. So from the first failure on until no id is left that was taken before
    it, an id has to be free in both. (A process that did not notice the restart could take one once more; that needs
    whoever saw the ticket to use it in the same half minute.)
    """

    def __init__(
        self,
        pool: Any,
        redis: Redis | None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pool` is of the services' role. Without `redis` everything is in Postgres."""
        self._pool = pool
        self._redis = redis
        self._clock = clock
        self._monotonic = monotonic
        self._doubt_until = 0.0

    async def take(self, one: UUID, seconds: int) -> bool:
        """Whether `one` was free until now; it is taken for `seconds`. Raises what asyncpg raises if neither store
        answers."""
        if self._redis is None:
            return await self._take_in_postgres(one, seconds)
        try:
            with or_away():
                taken = await self._redis.set(f"dojo:ticket:{one}", b"1", nx=True, ex=seconds)
        except RedisAway:
            self._doubt_until = self._monotonic() + seconds
            return await self._take_in_postgres(one, seconds)
        if not taken:
            return False
        return self._monotonic() >= self._doubt_until or await self._take_in_postgres(one, seconds)

    async def _take_in_postgres(self, one: UUID, seconds: int) -> bool:
        expires = datetime.fromtimestamp(self._clock() + seconds, UTC)
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            free: bool = await connection.fetchval("SELECT ticket_take($1, $2)", one, expires)
        return free
