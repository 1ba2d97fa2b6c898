"""Companies whose people come through outside issuers, over real HTTP: accounts, issuers, exchange and removal."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
from redis.asyncio import Redis

from edge.identity.erasure import Removal
from edge.identity.issuers import Issuers
from edge.identity.oidc.outside import OutsideTokens
from edge.identity.oidc.registration import OperatorIssuers
from edge.identity.oidc.settings import OidcSettings, OperatorIssuer
from edge.identity.oidc_exchange import OidcExchange
from edge.identity.readmission import Readmission
from tests.conftest import Database
from tests.edge.identity.accounts_api import ORIGIN, AccountsApi, Answer, Person
from tests.edge.identity.foundation import Foundation, foundation
from tests.edge.identity.oidc.authority import Authority as Certificates
from tests.edge.identity.oidc.conftest import LOOPBACK
from tests.edge.identity.oidc.issuer import CLIENT, Clock

EXCHANGE = "/api/v1/auth/oidc/exchange"
ISSUERS = "/api/v1/issuers"


@dataclass(frozen=True, slots=True)
class Company:
    """A company's administrator, signed in."""

    admin: Person
    token: str

    @property
    def tenant(self) -> UUID:
        return self.admin.tenant


class OutsideApi(AccountsApi):
    """`clock` is what outside tokens are held against."""

    def __init__(self, session: aiohttp.ClientSession, found: Foundation, clock: Clock) -> None:
        super().__init__(session, found)
        self.clock = clock

    async def company(self, name: str = "acme") -> Company:
        person = await self.sign_up(f"admin@{name}.example", companyName=name)
        return Company(person, (await self.signed_in(person.email))["accessToken"])

    async def register(self, company: Company, issuer: str, client_id: str = CLIENT, **more: Any) -> Answer:
        body = {"issuer": issuer, "clientId": client_id, **more}
        return await self.post(ISSUERS, body, token=company.token)

    async def exchange(self, token: str, *, network: str = "192.0.2.1", **more: Any) -> Answer:
        headers = more.pop("headers", None)
        return await self.post(EXCHANGE, {"token": token, **more}, network=network, headers=headers)

    async def entered(self, token: str, **more: Any) -> dict[str, Any]:
        """What a good exchange answers."""
        answer = await self.exchange(token, **more)
        assert answer.status == 200, answer.body
        granted: dict[str, Any] = answer.body
        return granted

    async def me(self, granted: dict[str, Any]) -> dict[str, Any]:
        answer = await self.ask("GET", "/api/v1/users/me", token=granted["accessToken"])
        assert answer.status == 200, answer.body
        me: dict[str, Any] = answer.body
        return me

    async def reasons(self, company: Company) -> list[str]:
        """Why exchanges were refused, as the company's audit log says it."""
        rows = await self.everything.fetch(
            "SELECT details::jsonb ->> 'reason' AS reason FROM audit_log"
            " WHERE tenant_id = $1 AND action = 'exchange.refused' ORDER BY at",
            company.tenant,
        )
        return [row["reason"] for row in rows]

    async def age(self, token: str, seconds: float) -> None:
        """As if the token had been exchanged so long ago."""
        key = hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()
        done = await self.everything.execute(
            "UPDATE idempotency_keys SET created_at = created_at - make_interval(secs => $2) WHERE key = $1",
            key,
            seconds,
        )
        assert done == "UPDATE 1"


@asynccontextmanager
async def serving_outside(
    database: Database,
    redis: Redis,
    certificates: Certificates,
    *issuers: OperatorIssuer,
    tenant_networks: tuple[str, ...] = LOOPBACK,
) -> AsyncIterator[OutsideApi]:
    """The API on a database of its own. `issuers` are the operator's."""
    settings = OidcSettings(
        allowed_networks=LOOPBACK, tenant_networks=tenant_networks, ca_file=certificates.ca_file, issuers=issuers
    )
    clock, operators = Clock(time.time()), OperatorIssuers(issuers)
    outside = OutsideTokens(settings, clock)
    async with foundation(database, redis) as found, AsyncExitStack() as ending:
        ending.push_async_callback(outside.close)
        accounts, ring = found.accounts, found.authority.ring
        exchange = OidcExchange(
            found.pool,
            outside,
            operators,
            accounts.granting,
            found.authority,
            buckets=found.buckets,
            later=accounts.later,
        )
        operations = [
            *accounts.operations(),
            *exchange.operations(),
            *Issuers(outside, operators, found.buckets, ring).operations(),
            *Removal(found.hashing, accounts.attempts, ring).operations(),
            *Readmission().operations(),
        ]
        session = await ending.enter_async_context(found.serving(operations, origins=(ORIGIN,)))
        yield OutsideApi(session, found, clock)
