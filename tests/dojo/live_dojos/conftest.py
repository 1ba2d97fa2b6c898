from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest_asyncio

from dojo.embedded.postgres import DATABASE, EmbeddedPostgres
from dojo.embedded.redis import EmbeddedRedis
from tests.conftest import created
from tests.edge.dojos.hosting import Someone
from tests.edge.live.people import Class, in_class


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def kata(postgres: EmbeddedPostgres, redis_server: EmbeddedRedis) -> AsyncIterator[Class]:
    """One Dojo for all tests of this folder: each has a company of its own."""
    async with created(postgres, DATABASE) as database, in_class(database, redis_server.url()) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="package")
async def tenant(kata: Class) -> UUID:
    return await kata.api.company()


@pytest_asyncio.fixture(loop_scope="package")
async def ana(kata: Class, tenant: UUID) -> Someone:
    return await kata.api.person(tenant, "Ana Host")


@pytest_asyncio.fixture(loop_scope="package")
async def ben(kata: Class, tenant: UUID) -> Someone:
    return await kata.api.person(tenant, "Ben Member")
