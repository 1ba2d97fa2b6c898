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
from tests.collab_core.journal.watching import ACME, ROOM, entry, join, rows
from tests.conftest import Database

YEAR = timedelta(days=365)


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn("dojo_owner"))
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


async def test_months_are_made_ahead(owner: asyncpg.Connection) -> None:
    made = await partitions(owner)
    assert len(made) == 5
    assert made[0] == datetime.now(UTC).strftime("%Y%m")
    assert made[-1] == "default"
    assert (await turn_history(owner, keep=YEAR)).made == 0
    assert await partitions(owner) == made


async def test_a_folded_row_lies_in_this_month(journal: PostgresJournal, owner: asyncpg.Connection) -> None:
    await journal.append(rows(b"a"))
    await journal.compact(ROOM, join)
    (this_month, *_) = await partitions(owner)
    assert await owner.fetchval(f"SELECT count(*) FROM collab_journal_history_{this_month}") == 1


async def test_without_a_partition_a_row_is_kept_and_moves_when_there_is_one(
    journal: PostgresJournal, owner: asyncpg.Connection
) -> None:
    (this_month, *_) = await partitions(owner)
    await owner.execute(f"DROP TABLE collab_journal_history_{this_month}")
    await journal.append(rows(b"a"))
    assert await journal.compact(ROOM, join) == 1
    assert len(await kept(journal)) == 1
    assert await owner.fetchval("SELECT count(*) FROM collab_journal_history_default") == 1
    assert (await turn_history(owner, keep=YEAR)).made == 1
    assert await owner.fetchval("SELECT count(*) FROM collab_journal_history_default") == 0
    assert len(await kept(journal)) == 1


async def test_what_is_older_than_the_retention_goes(
    journal: PostgresJournal, owner: asyncpg.Connection, database: Database
) -> None:
    now = datetime.now(UTC)
    old = now - timedelta(days=400)
    start = old.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(days=32)).replace(day=1)
    name = f"collab_journal_history_{start:%Y%m}"
    await owner.execute(
        f"CREATE TABLE {name} PARTITION OF collab_journal_history"
        f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
    )
    older, recent = now - timedelta(days=500), now - timedelta(days=100)
    for at in (old, older, recent, now):
        await remember(database, at)
    turned = await turn_history(owner, keep=YEAR)
    assert (turned.made, turned.dropped) == (0, 1)
    assert await kept(journal) == [recent, now]


async def test_a_retention_that_ends_in_the_future_is_a_mistake(owner: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="future"):
        await turn_history(owner, keep=timedelta(days=-1))
