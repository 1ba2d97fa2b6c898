"""A ticket is taken once, by whichever process, with Redis and without."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
from redis.asyncio import Redis

from dojo.embedded.redis import EmbeddedRedis
from kernel.database import create_pool
from kernel.redis import create_client
from kernel.tokens.one_use import OneUse
from tests.conftest import Database


@asynccontextmanager
async def process(database: Database, url: str | None) -> AsyncIterator[OneUse]:
    """Connections of its own, as each process has."""
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5.0, max_size=4)
    redis = create_client(url) if url is not None else None
    try:
        yield OneUse(pool, redis)
    finally:
        if redis is not None:
            await redis.aclose()
        await pool.close()


async def races(*processes: OneUse) -> Counter[int]:
    """How often each of 25 tickets was taken when everybody tries each four times at once."""

    async def race() -> int:
        ticket = uuid4()
        return sum(await asyncio.gather(*(one.take(ticket, 60) for one in processes for _ in range(4))))

    return Counter([await race() for _ in range(25)])


async def test_of_many_at_once_exactly_one_takes_it(database: Database, redis_url: str) -> None:
    async with process(database, redis_url) as one, process(database, redis_url) as two:
        assert await races(one, two) == {1: 25}


async def test_also_without_redis(database: Database) -> None:
    async with process(database, None) as one, process(database, "unix:///nowhere/at/all") as two:
        assert await races(one, two) == {1: 25}


async def test_a_taken_one_is_remembered_as_long_as_asked(database: Database, redis: Redis, redis_url: str) -> None:
    async with process(database, redis_url) as one:
        ticket = uuid4()
        assert await one.take(ticket, 77)
        assert 70 <= await redis.ttl(f"dojo:ticket:{ticket}") <= 77
        assert not await one.take(ticket, 77)


async def test_what_was_taken_while_redis_was_away_stays_taken_when_it_is_back(
    database: Database, tmp_path: Path
) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    try:
        async with process(database, server.url()) as one, process(database, server.url()) as two:
            before, meanwhile = uuid4(), uuid4()
            assert await one.take(before, 60)
            await server.kill()
            assert await one.take(meanwhile, 60)
            assert not await two.take(meanwhile, 60)
            await server.start()
            assert not await one.take(meanwhile, 60), "Redis knows nothing of it, Postgres does"
            assert not await two.take(meanwhile, 60)
            assert await races(one, two) == {1: 25}
    finally:
        await server.stop()


async def test_in_postgres_it_is_kept_as_long_as_asked(database: Database) -> None:
    async with process(database, None) as one:
        await one.take(uuid4(), 90)
    connection = await asyncpg.connect(database.dsn("postgres"))
    left = await connection.fetchval("SELECT extract(epoch FROM expires_at - now())::float FROM used_tickets")
    await connection.close()
    assert 60 < left <= 91
