from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.conftest import Database
from tests.edge.dojos.hosting import DojoApi, serving_dojos
from tests.edge.voice.sfu import StandInSfu, stand_in


@pytest.fixture
async def sfu() -> AsyncIterator[StandInSfu]:
    """A voice process without media."""
    async with stand_in() as running:
        yield running


@pytest.fixture
async def dojos(database: Database, redis: Redis, sfu: StandInSfu) -> AsyncIterator[DojoApi]:
    """The API with dojos and voice."""
    settings = sfu.settings(turn_urls=("turn:turn.example.com:3478",), turn_secret="north")
    async with serving_dojos(database, redis, voice=settings) as serving:
        yield serving
