"""Accounts and sessions over real HTTP, on a real Postgres and Redis, with what an outsider and an operator can do."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import msgspec
from redis.asyncio import Redis

from edge.identity.accounts import AccountSettings
from edge.identity.mail.port import Mail
from edge.identity.outbox import unseal
from tests.conftest import Database
from tests.edge.identity.foundation import Foundation, foundation

ORIGIN = "http://app.example.com"
SECURE_ORIGIN = "https://app.example.com"
PASSWORD = "correct horse battery staple"
DEADLINE_SECONDS = 10.0

_LINK_TOKEN = re.compile(r"#(?:verify|reset|invite)=([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Every problem has a code, and no answer with tokens may be kept by a cache."""

    status: int
    body: Any
    headers: Mapping[str, str]
    cookies: SimpleCookie

    @property
    def code(self) -> str:
        return str(self.body["code"])


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed up."""

    email: str
    tenant: UUID
    user: UUID


class AccountsApi:
    """The API as clients meet it; `everything` is a superuser's connection, to see and to move time."""

    def __init__(self, session: aiohttp.ClientSession, found: Foundation) -> None:
        self._session = session
        self._master = found.master
        self.everything = found.everything
        self.authority = found.authority

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        network: str = "192.0.2.1",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. `network` is the address it seems to come from."""
        sent = {"X-Forwarded-For": network, **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        async with self._session.request(method, path, json=body, headers=sent) as response:
            raw = await response.read()
            assert response.status < 500 or response.status == 503, raw
            decoded = msgspec.json.decode(raw) if raw else None
            return Answer(response.status, decoded, response.headers, response.cookies)

    async def post(self, path: str, body: object = None, **options: Any) -> Answer:
        return await self.ask("POST", path, body if body is not None else {}, **options)

    async def sign_up(self, email: str, password: str = PASSWORD, **more: Any) -> Person:
        """Somebody new with a company of their own."""
        body = {"email": email, "password": password, "fullName": "Ana Souza", "companyName": "Acme", **more}
        answer = await self.post("/api/v1/users", body, network=f"198.51.100.{len(email)}")
        assert answer.status == 201, answer.body
        return Person(email, UUID(answer.body["tenantId"]), UUID(answer.body["userId"]))

    async def login(self, email: str, password: str = PASSWORD, **options: Any) -> Answer:
        more = options.pop("more", {})
        return await self.post("/api/v1/auth/login", {"email": email, "password": password, **more}, **options)

    async def signed_in(self, email: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        """What a good login answers."""
        answer = await self.login(email, password, more=more)
        assert answer.status == 200, answer.body
        granted: dict[str, Any] = answer.body
        return granted

    async def refresh(self, token: str) -> Answer:
        return await self.post("/api/v1/auth/refresh", {"refreshToken": token})

    async def member(self, person: Person, company: str = "Globex") -> UUID:
        """Make somebody a member of another company, as an operator would: its id."""
        tenant = uuid4()
        await self.everything.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, $2)", tenant, company)
        await self.everything.execute(
            "INSERT INTO users (tenant_id, identity_id, email, full_name) SELECT $1, i.identity_id, i.email, 'Ana'"
            " FROM identities i WHERE i.email = $2",
            tenant,
            person.email,
        )
        return tenant

    async def invite(self, tenant: UUID, email: str, role: str = "host") -> str:
        """An invitation's token."""
        token = uuid4().hex + uuid4().hex
        await self.everything.execute(
            "INSERT INTO invitations (tenant_id, email, role, token_hash, expires_at)"
            " VALUES ($1, $2, $3, $4, now() + interval '7 days')",
            tenant,
            email,
            role,
            hashlib.sha256(token.encode()).digest(),
        )
        return token

    async def mails(self) -> list[Mail]:
        """What is in the outbox, oldest first."""
        rows = await self.everything.fetch("SELECT mail_id, sealed FROM mail_outbox ORDER BY created_at")
        return [unseal(self._master, row["mail_id"], row["sealed"]) for row in rows]

    async def mailed_token(self) -> str:
        """The token of the last mail."""
        found = _LINK_TOKEN.search((await self.mails())[-1].text)
        assert found is not None
        return found[1]

    async def audited(self, tenant: UUID) -> list[str]:
        """What the audit log says, oldest first."""
        rows = await self.everything.fetch("SELECT action FROM audit_log WHERE tenant_id = $1 ORDER BY at", tenant)
        return [row["action"] for row in rows]

    async def refused(self, token: str) -> None:
        """Wait until the access token is not taken any more."""
        await until(lambda: self._is_refused(token))

    async def _is_refused(self, token: str) -> bool:
        return (await self.ask("GET", "/api/v1/users/me", token=token)).status == 401


async def until(true: Callable[[], Any]) -> None:
    """Wait for a condition, which is asked again and again."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            if await true():
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving_accounts(
    database: Database, redis: Redis, settings: AccountSettings | None = None
) -> AsyncIterator[AccountsApi]:
    """The API on a database of its own."""
    async with (
        foundation(database, redis, settings) as found,
        found.serving(found.accounts.operations(), origins=(ORIGIN, SECURE_ORIGIN)) as session,
    ):
        yield AccountsApi(session, found)
