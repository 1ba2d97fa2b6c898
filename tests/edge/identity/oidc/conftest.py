"""Issuers for the tests: certificates, a small one in this process, the real `oidc-provider` in Node."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from edge.identity.oidc.outside import OutsideTokens
from edge.identity.oidc.settings import OidcSettings
from tests.edge.identity.oidc.authority import Authority
from tests.edge.identity.oidc.issuer import Clock, LocalIssuer, serving

LOOPBACK = ("127.0.0.0/8", "::1/128")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer(authority: Authority) -> AsyncIterator[LocalIssuer]:
    async with serving(authority, "localhost") as issuer:
        yield issuer


@pytest.fixture
async def outside(authority: Authority, clock: Clock) -> AsyncIterator[OutsideTokens]:
    """Takes issuers on loopback that the operator configured."""
    settings = OidcSettings(allowed_networks=LOOPBACK, ca_file=authority.ca_file)
    tokens = OutsideTokens(settings, clock)
    yield tokens
    await tokens.close()
