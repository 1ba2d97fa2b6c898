from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.conftest import Database
from tests.edge.identity.accounts_api import AccountsApi, serving_accounts
from tests.edge.identity.company import CompanyApi, serving_company
from tests.edge.identity.oidc.authority import Authority as Certificates
from tests.edge.identity.oidc.issuer import LocalIssuer, serving


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def issuer(certificates: Certificates) -> AsyncIterator[LocalIssuer]:
    """An outside issuer, which nobody has registered yet."""
    async with serving(certificates, "localhost") as issuer:
        yield issuer


@pytest.fixture
async def api(database: Database, redis: Redis) -> AsyncIterator[AccountsApi]:
    """Accounts and sessions over HTTP."""
    async with serving_accounts(database, redis) as found:
        yield found


@pytest.fixture
async def company(database: Database, redis: Redis) -> AsyncIterator[CompanyApi]:
    """Companies, their people and their administration over HTTP."""
    async with serving_company(database, redis) as found:
        yield found
