from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from kernel.database import (
    NotDurable,
    check_durability,
    connect,
    create_pool,
    identity_scope,
    scope,
    speak_for_identity,
    speak_for_tenant,
    tenant_scope,
)
from tests.conftest import Database


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    made = await create_pool(database.dsn("dojo_service"), name="test-pool", statement_seconds=5, max_size=1)
    yield made
    await made.close()


async def test_a_scope_speaks_for_its_tenant_and_for_nobody_afterwards(pool: asyncpg.Pool) -> None:
    tenant = uuid4()
    async with tenant_scope(pool, tenant) as connection:
        assert UUID(await connection.fetchval("SELECT current_setting('app.tenant')")) == tenant
        assert await connection.fetchval("SELECT current_setting('application_name')") == "test-pool"
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT coalesce(current_setting('app.tenant', true), '')") == ""


async def test_a_scope_commits_or_undoes(pool: asyncpg.Pool) -> None:
    tenant = uuid4()
    insert = "INSERT INTO collab_base (tenant_id, room, base, rows_folded) VALUES ($1, $2, '', 0)"
    async with tenant_scope(pool, tenant) as connection:
        await connection.execute(insert, tenant, "kept")

    async def fail() -> None:
        async with tenant_scope(pool, tenant) as connection:
            await connection.execute(insert, tenant, "undone")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with tenant_scope(pool, tenant) as connection:
        assert [row["room"] for row in await connection.fetch("SELECT room FROM collab_base")] == ["kept"]


async def test_a_scope_speaks_for_a_person_for_both_or_for_nobody(pool: asyncpg.Pool) -> None:
    tenant, other, identity = uuid4(), uuid4(), uuid4()
    both = "SELECT current_setting('app.tenant') || '/' || current_setting('app.identity')"
    async with identity_scope(pool, identity) as connection:
        assert await connection.fetchval(both) == f"/{identity}"
        await speak_for_tenant(connection, tenant)
        assert await connection.fetchval(both) == f"{tenant}/{identity}"
        await speak_for_tenant(connection, other)
        await speak_for_identity(connection, None)
        assert await connection.fetchval(both) == f"{other}/"
    async with scope(pool, tenant=tenant, identity=identity) as connection:
        assert await connection.fetchval(both) == f"{tenant}/{identity}"
    async with scope(pool) as connection:
        assert await connection.fetchval(both) == "/"


async def test_a_cancelled_scope_gives_its_connection_up_at_once(pool: asyncpg.Pool) -> None:
    inside = asyncio.Event()

    async def hang() -> None:
        async with tenant_scope(pool, uuid4()) as connection:
            inside.set()
            await connection.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(hang())
    await asyncio.wait_for(inside.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with tenant_scope(pool, uuid4(), acquire_seconds=5) as connection:  # the pool has room for one
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_statement_has_an_end(database: Database) -> None:
    connection = await connect(database.dsn("dojo_service"), name="test", statement_seconds=0.1)
    try:
        with pytest.raises(asyncpg.QueryCanceledError):
            await connection.execute("SELECT pg_sleep(60)")
    finally:
        await connection.close()


async def test_waiting_for_a_connection_has_an_end(pool: asyncpg.Pool) -> None:
    async with tenant_scope(pool, uuid4()):
        with pytest.raises(TimeoutError):
            async with tenant_scope(pool, uuid4(), acquire_seconds=0.05):
                pytest.fail("there was only one connection")


async def test_durability_is_as_the_session_has_it(database: Database) -> None:
    connection = await connect(database.dsn("dojo_owner"), name="test", statement_seconds=5)
    try:
        await check_durability(connection)
        await connection.execute("SET synchronous_commit = local")
        await check_durability(connection)
        await connection.execute("SET synchronous_commit = off")
        with pytest.raises(NotDurable, match="synchronous_commit = off for role dojo_owner"):
            await check_durability(connection)
    finally:
        await connection.close()
