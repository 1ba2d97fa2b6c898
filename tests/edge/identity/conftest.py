from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.conftest import Database
from tests.edge.identity.accounts_api import AccountsApi, serving_accounts
from tests.edge.identity.company import CompanyApi, serving_company


@pytest.fixture
async def api(database: Database, redis: Redis) -> AsyncIterator[AccountsApi]:
    """Accounts and sessions over HTTP."""
    async with serving_accounts(database, redis) as serving:
        yield serving


@pytest.fixture
async def company(database: Database, redis: Redis) -> AsyncIterator[CompanyApi]:
    """Companies, their people and their administration over HTTP."""
    async with serving_company(database, redis) as serving:
        yield serving
