"""A real Postgres and a real Redis for the whole suite, a fresh migrated database and an empty Redis for each test that
asks for one, and the log of a server with the failure of a test that ran one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import asyncpg
import pytest
from hypothesis import settings
from redis.asyncio import Redis

from dojo.embedded.postgres import DATABASE, OWNER, EmbeddedPostgres
from dojo.embedded.redis import EmbeddedRedis
from dojo.migrate import migrate
from kernel.redis import create_client
from tests.running import RunningDojo

# How long an example takes says nothing on a machine that runs several tests at once.
settings.register_profile("dojo", deadline=None)
settings.load_profile("dojo")

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the suite's server."""

    server: EmbeddedPostgres
    name: str

    def dsn(self, role: str) -> str:
        return self.server.dsn(role, self.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the server's log with a failure."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for value in item.funcargs.values():
            if isinstance(value, RunningDojo):
                report.sections.append(("server log", value.log()))
    return report


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The suite's Postgres. Its database `dojo` is migrated, and copied for each test: leave it unchanged."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))

    async def start() -> None:
        await server.start()
        await migrate(server.dsn(OWNER))

    asyncio.run(start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def empty_database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database without tables, owned by `dojo_owner`."""
    async with created(postgres, "template1") as database:
        yield database


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A migrated database."""
    async with created(postgres, DATABASE) as database:
        yield database


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """The suite's Redis. Tests that stop or fill a Redis start one of their own."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def redis_url(redis_server: EmbeddedRedis) -> str:
    """The address of an empty Redis; the channels of publish and subscribe are the whole suite's."""
    client = create_client(redis_server.url())
    try:
        await client.flushall()
    finally:
        await client.aclose()
    return redis_server.url()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    client = create_client(redis_url)
    yield client
    await client.aclose()


@asynccontextmanager
async def created(server: EmbeddedPostgres, template: str) -> AsyncIterator[Database]:
    """A database of its own, for fixtures that live longer than a test."""
    database = Database(server, f"test_{next(_numbers)}")
    connection = await asyncpg.connect(server.dsn("postgres", "postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {database.name} TEMPLATE {template} OWNER {OWNER}")
        yield database
        await connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)")
    finally:
        await connection.close()
