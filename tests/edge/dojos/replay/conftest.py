from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from collab_core.identity import RoomKey
from collab_core.journal.postgres import PostgresJournal
from kernel.database import create_pool
from tests.conftest import Database
from tests.edge.dojos.replay.writing import ANA


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[PostgresJournal]:
    opened = await PostgresJournal.open(database.dsn("dojo_journal"), database.dsn("dojo_service"))
    yield opened
    await opened.close()


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    """Connections of the services' role."""
    opened = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=10, max_size=4)
    yield opened
    await opened.close()


@pytest.fixture
async def everything(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, to move time and to lose history."""
    connection = await asyncpg.connect(database.dsn("postgres"))
    yield connection
    await connection.close()


@pytest.fixture
async def room(everything: asyncpg.Connection) -> RoomKey:
    """A room of a dojo that Ana hosts."""
    tenant, dojo, room = uuid4(), uuid4(), uuid4()
    await everything.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, 'Acme')", tenant)
    await everything.execute("INSERT INTO users (tenant_id, user_id, full_name) VALUES ($1, $2, 'Ana')", tenant, ANA)
    await everything.execute(
        "INSERT INTO dojos (tenant_id, dojo_id, creator_id, name, language) VALUES ($1, $2, $3, 'Kata', 'python')",
        tenant,
        dojo,
        ANA,
    )
    await everything.execute(
        "INSERT INTO dojo_rooms (tenant_id, dojo_id, room_id, name) VALUES ($1, $2, $3, 'Main')", tenant, dojo, room
    )
    return RoomKey(tenant, str(room))
