"""The small service over real HTTP, on a real Postgres and with real buckets in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from redis.asyncio import Redis

from dojo.embedded.postgres import OWNER
from kernel.buckets import Buckets
from kernel.database import create_pool
from kernel.http.answering import answering
from kernel.http.cors import Cors
from kernel.http.limits import HttpLimits
from kernel.http.metrics import HttpMetrics
from kernel.http.router import Guard, Router
from kernel.secrets import MasterKeys
from tests.conftest import Database
from tests.kernel.http.serving import serving
from tests.kernel.http.things import SCHEMA, Things, Tokens

ORIGIN = "https://app.example.com"
MASTER = MasterKeys([bytes(32)])
STATEMENT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Shop:
    """Where the service is, and what is behind it."""

    things: Things
    client: aiohttp.ClientSession
    port: int
    pool: Any
    metrics: HttpMetrics

    async def count(self) -> int:
        """Things there are, of all tenants."""
        async with self.pool.acquire() as connection:
            number: int = await connection.fetchval("SELECT count(*) FROM things")
        return number


def make_app(pool: Any, buckets: Buckets, limits: HttpLimits) -> tuple[web.Application, Things, HttpMetrics]:
    """The service as an application."""
    metrics = HttpMetrics()
    app = web.Application(middlewares=[metrics.middleware(), answering])
    Cors([ORIGIN]).add_to(app)
    things = Things(pool)
    guard = Guard(Tokens(), buckets, limits, frozenset({ORIGIN}))
    Router(pool, guard, MASTER).add(things.operations(), app.router)
    return app, things, metrics


def token(name: str) -> dict[str, str]:
    """The header of somebody in this role."""
    return {"Authorization": f"Bearer {name}"}


@pytest.fixture
def limits() -> HttpLimits:
    """Out of the way; the tests of limits set their own."""
    return HttpLimits(
        network_per_second=1e6, network_burst=1e6, user_per_second=1e6, user_burst=1e6,
        tenant_per_second=1e6, tenant_burst=1e6,
    )  # fmt: skip


@pytest.fixture
async def front(limits: HttpLimits) -> AsyncIterator[Shop]:
    """The service without anything behind it, for what is refused before a database is asked: quick to make."""
    app, things, metrics = make_app(None, Buckets(None), limits)
    async with (
        serving(app) as (_, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=token("admin")) as client,
    ):
        yield Shop(things, client, port, None, metrics)


@pytest.fixture
async def shop(database: Database, redis: Redis, limits: HttpLimits) -> AsyncIterator[Shop]:
    owner = await asyncpg.connect(database.dsn(OWNER))
    await owner.execute(SCHEMA)
    await owner.close()
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=STATEMENT_SECONDS, max_size=8)
    every = await create_pool(database.dsn("postgres"), name="all", statement_seconds=STATEMENT_SECONDS, max_size=1)
    app, things, metrics = make_app(pool, Buckets(redis), limits)
    async with (
        serving(app) as (_, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=token("admin")) as client,
    ):
        yield Shop(things, client, port, every, metrics)
    await every.close()
    await pool.close()
