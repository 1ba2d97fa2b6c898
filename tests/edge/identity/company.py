"""Companies and their people over real HTTP, on a real Postgres and Redis: accounts and their administration."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import aiohttp
from redis.asyncio import Redis

from edge.identity.accounts import AccountSettings
from edge.identity.administration import Administration
from edge.identity.attempt_limits import AttemptLimits
from kernel.http.limits import HttpLimits
from kernel.tokens.access import mint_access
from tests.conftest import Database
from tests.edge.identity.accounts_api import PASSWORD, AccountsApi, Answer
from tests.edge.identity.foundation import BASE_URL, Foundation, foundation

_PLENTY = AttemptLimits(
    logins_per_network_per_minute=1000, logins_per_account_and_network=1000, mails_per_network_per_hour=1000
)
"""Limits are tested elsewhere."""


@dataclass(frozen=True, slots=True)
class Someone:
    """Somebody signed in."""

    email: str
    tenant: UUID
    user: UUID
    access: str
    refresh: str


class CompanyApi(AccountsApi):
    """Besides accounts: people of all roles, come in the way they would."""

    def __init__(self, session: aiohttp.ClientSession, found: Foundation) -> None:
        super().__init__(session, found)
        self._keys = found.keys

    async def founder(
        self, email: str = "admin@example.com", company: str = "Acme", name: str = "Ada Admin"
    ) -> Someone:
        """The administrator of a new company, with a verified e-mail."""
        await self.sign_up(email, fullName=name, companyName=company)
        answer = await self.post("/api/v1/auth/email/verify", {"token": await self.mailed_token()})
        assert answer.status == 204, answer.body
        return await self.someone(email)

    async def join(self, admin: Someone, email: str, role: str = "member", name: str = "Ana Souza") -> Someone:
        """Somebody new, who was invited."""
        token = await self.invited(admin, email, role)
        await self.sign_up(email, fullName=name, invitationToken=token)
        return await self.someone(email, admin.tenant)

    async def invited(self, admin: Someone, email: str, role: str = "member") -> str:
        """The token that was mailed."""
        answer = await self.post("/api/v1/invitations", {"email": email, "role": role}, token=admin.access)
        assert answer.status == 201, answer.body
        return await self.mailed_token()

    async def someone(self, email: str, tenant: UUID | None = None) -> Someone:
        more = {} if tenant is None else {"tenantId": str(tenant)}
        granted = await self.signed_in(email, PASSWORD, **more)
        return Someone(
            email, UUID(granted["tenantId"]), UUID(granted["userId"]), granted["accessToken"], granted["refreshToken"]
        )

    async def outsider(self, admin: Someone, full_name: str = "Otto Outside") -> Someone:
        """Somebody who comes through the company's identity provider: no login here, an open session."""
        user = await self.everything.fetchval(
            "INSERT INTO users (tenant_id, full_name) VALUES ($1, $2) RETURNING user_id", admin.tenant, full_name
        )
        await self.everything.execute(
            "INSERT INTO external_identities (tenant_id, issuer, subject, user_id) VALUES ($1, 'https://id', 's1', $2)",
            admin.tenant,
            user,
        )
        access = mint_access(
            self._keys.key,
            tenant=admin.tenant,
            user=user,
            session=uuid4(),
            version=1,
            role="member",
            name=full_name,
            now=time.time(),
        )
        return Someone("", admin.tenant, user, access, "")

    async def get(self, path: str, who: Someone) -> Answer:
        return await self.ask("GET", path, token=who.access)

    @asynccontextmanager
    async def reading(self, path: str, who: Someone) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is read as slowly as the caller likes; its head and a first piece are there."""
        async with self._session.get(path, headers={"Authorization": f"Bearer {who.access}"}) as answer:
            assert answer.status == 200
            await answer.content.readany()
            yield answer
            answer.close()

    async def download(self, path: str, who: Someone) -> tuple[bytes, aiohttp.ClientResponse]:
        """An answer that is no JSON document."""
        async with self._session.get(path, headers={"Authorization": f"Bearer {who.access}"}) as answer:
            return await answer.read(), answer

    async def rows(self, table: str, tenant: UUID) -> int:
        return int(await self.everything.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tenant))

    async def tables(self, column: str = "tenant_id") -> list[str]:
        """All tables with this column, partitions left out."""
        found = await self.everything.fetch(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $1"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " ORDER BY 1",
            column,
        )
        return [row[0] for row in found]

    async def mentions(self, text: str) -> list[str]:
        """The tables of which some row has `text` in it."""
        found = []
        for row in await self.everything.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        ):
            statement = f"SELECT EXISTS (SELECT FROM {row[0]} t WHERE strpos(lower(t::text), lower($1)) > 0)"
            if await self.everything.fetchval(statement, text):
                found.append(row[0])
        return found


@asynccontextmanager
async def serving_company(database: Database, redis: Redis) -> AsyncIterator[CompanyApi]:
    """The API on a database of its own."""
    async with foundation(database, redis, AccountSettings(attempts=_PLENTY)) as found:
        administration = Administration(
            found.pool,
            buckets=found.buckets,
            hashing=found.hashing,
            attempts=found.accounts.attempts,
            master=found.master,
            ring=found.authority.ring,
            base_url=BASE_URL,
        )
        operations = [*found.accounts.operations(), *administration.operations()]
        async with found.serving(operations, limits=HttpLimits(user_burst=1000)) as session:
            yield CompanyApi(session, found)
