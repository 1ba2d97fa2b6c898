from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from collab_core.journal.postgres import PostgresJournal
from tests.conftest import Database
from tests.edge.dojos.hosting import DojoApi, serving_dojos
from tests.edge.dojos.past_dojo import PastDojo, past_dojo


@pytest.fixture
async def dojos(database: Database, redis: Redis) -> AsyncIterator[DojoApi]:
    """The API with dojos."""
    async with serving_dojos(database, redis) as serving:
        yield serving


@pytest.fixture
async def past(dojos: DojoApi, database: Database) -> AsyncIterator[PastDojo]:
    """A dojo with a journal to write to."""
    journal = await PostgresJournal.open(database.dsn("dojo_journal"), database.dsn("dojo_service"))
    yield await past_dojo(dojos, journal)
    await journal.close()
