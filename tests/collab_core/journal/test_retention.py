"""The history's months, turned by the worker's role. What all such tables share is in tests/kernel/test_months.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from collab_core.journal.envelope import encode
from collab_core.journal.postgres import PostgresJournal
from collab_core.journal.retention import turn_history
from kernel.database import create_pool, tenant_scope
from kernel.months import cutoff
from tests.collab_core.journal.watching import ACME, ROOM, entry, join, rows
from tests.conftest import Database

YEAR = timedelta(days=365)


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn("dojo_owner"))
    yield connection
    await connection.close()


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn("dojo_worker"))
    yield connection
    await connection.close()


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[PostgresJournal]:
    opened = await PostgresJournal.open(database.dsn("dojo_journal"), database.dsn("dojo_service"))
    yield opened
    await opened.close()


async def partitions(owner: asyncpg.Connection) -> list[str]:
    rows = await owner.fetch(
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent = 'collab_journal_history'::regclass ORDER BY relname"
    )
    return [row["relname"].removeprefix("collab_journal_history_") for row in rows]


async def remember(database: Database, at: datetime) -> None:
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=10, max_size=1)
    try:
        async with tenant_scope(pool, ACME) as connection:
            await connection.execute(
                "INSERT INTO collab_journal_history VALUES ($1, $2, $3, 1, $4, $5)",
                ACME,
                ROOM.room,
                uuid4(),
                at,
                encode([entry(at.isoformat().encode())]),
            )
    finally:
        await pool.close()


async def kept(journal: PostgresJournal) -> list[datetime]:
    return [at async for at, _entries in journal.history(ROOM)]


async def test_months_are_made_ahead(owner: asyncpg.Connection, worker: asyncpg.Connection) -> None:
    made = await partitions(owner)
    assert len(made) == 5
    assert made[0] == datetime.now(UTC).strftime("%Y%m")
    assert made[-1] == "default"
    assert await turn_history(worker, await cutoff(worker, YEAR)) == (0, 0)
    assert await partitions(owner) == made


async def test_a_folded_row_lies_in_this_month(journal: PostgresJournal, owner: asyncpg.Connection) -> None:
    await journal.append(rows(b"a"))
    await journal.compact(ROOM, join)
    (this_month, *_) = await partitions(owner)
    assert await owner.fetchval(f"SELECT count(*) FROM collab_journal_history_{this_month}") == 1


async def test_what_is_older_than_the_retention_goes(
    journal: PostgresJournal, worker: asyncpg.Connection, database: Database
) -> None:
    now = datetime.now(UTC)
    older, old, recent = (now - timedelta(days=days) for days in (500, 400, 100))
    await remember(database, old)
    assert await turn_history(worker, await cutoff(worker, 2 * YEAR)) == (1, 0)
    for at in (older, recent, now):
        await remember(database, at)
    assert await turn_history(worker, await cutoff(worker, YEAR)) == (1, 1)
    assert await kept(journal) == [recent, now]
