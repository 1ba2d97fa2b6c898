"""Dojos over real HTTP, on a real Postgres and Redis: one company and its people, hosts, members and guests."""

from __future__ import annotations

import io
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import msgspec
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis

from dojo.api import make_app
from dojo.api_services import ApiServices
from dojo.settings import Settings, VoiceSettings
from edge.identity.mail.port import Mail
from edge.identity.outbox import unseal
from kernel.database import create_pool
from kernel.http.operation import Role
from kernel.secrets import MasterKeys
from kernel.tokens import SigningKey
from kernel.tokens.access import mint_access
from tests.conftest import Database
from tests.isolation.companies import UNLIMITED

PATH = "/api/v1/dojos"
_networks = count(1)


@dataclass(frozen=True, slots=True)
class Someone:
    """Somebody signed in."""

    tenant: UUID
    user: UUID
    name: str
    email: str
    token: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        return str(self.body["code"])


class DojoApi:
    """The API as clients meet it; `everything` is a superuser's connection, to see and to move time."""

    def __init__(
        self, client: TestClient[Any, Any], services: ApiServices, everything: Any, master: MasterKeys, pool: Any
    ) -> None:
        self._client = client
        self._services = services
        self._master = master
        self.everything = everything
        self.pool = pool

    @property
    def services(self) -> ApiServices:
        return self._services

    async def company(self, name: str = "Acme") -> UUID:
        tenant = uuid4()
        await self.everything.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, $2)", tenant, name)
        return tenant

    async def person(self, tenant: UUID, name: str, role: Role = Role.MEMBER) -> Someone:
        """Somebody with a verified e-mail."""
        identity, email = uuid4(), f"{name.split(maxsplit=1)[0].lower()}.{uuid4().hex[:6]}@example.com"
        await self.everything.execute(
            "INSERT INTO identities (identity_id, email, password_hash, email_verified_at) VALUES ($1, $2, 'x', now())",
            identity,
            email,
        )
        user = await self.everything.fetchval(
            "INSERT INTO users (tenant_id, identity_id, email, full_name, role) VALUES ($1, $2, $3, $4, $5)"
            " RETURNING user_id",
            tenant,
            identity,
            email,
            name,
            role.value,
        )
        token = mint_access(
            self._services.keys.key,
            tenant=tenant,
            user=user,
            session=uuid4(),
            version=1,
            role=role.value,
            name=name,
            now=time.time(),
        )
        return Someone(tenant, user, name, email, token)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        who: Someone | None = None,
        network: str | None = None,
        headers: Mapping[str, str] | None = None,
        text: tuple[str, str] | None = None,
    ) -> Answer:
        """One request, from a network address of its own unless one is given. `text`: a body of its own type, and that
        type; an answer that is not JSON is text too."""
        number = next(_networks)
        sent = {"X-Forwarded-For": network or f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
        if who is not None:
            sent["Authorization"] = f"Bearer {who.token}"
        data = io.BytesIO(msgspec.json.encode(body)) if body is not None else None
        if data is not None:
            sent["Content-Type"] = "application/json"
        if text is not None:
            data, sent["Content-Type"] = io.BytesIO(text[0].encode()), text[1]
        async with self._client.request(method, path, data=data, headers={**sent, **(headers or {})}) as response:
            raw = await response.read()
            assert response.status < 500 or response.status == 503, raw
            if raw and not response.content_type.endswith("json"):
                return Answer(response.status, raw.decode(), response.headers)
            return Answer(response.status, msgspec.json.decode(raw) if raw else None, response.headers)

    @asynccontextmanager
    async def reading(self, path: str, who: Someone) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is read as slowly as the caller likes."""
        async with self._client.request("GET", path, headers={"Authorization": f"Bearer {who.token}"}) as answer:
            yield answer
            answer.close()

    async def get(self, path: str, who: Someone) -> Answer:
        return await self.ask("GET", path, who=who)

    async def put(self, path: str, who: Someone) -> Answer:
        return await self.ask("PUT", path, who=who)

    async def delete(self, path: str, who: Someone) -> Answer:
        return await self.ask("DELETE", path, who=who)

    async def dojo(self, host: Someone, **more: Any) -> dict[str, Any]:
        """A new dojo; public unless it says otherwise."""
        body = {"name": "Kata", "language": "python", "isPrivate": False, **more}
        answer = await self.ask("POST", PATH, body, who=host)
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.body
        return made

    async def join(self, who: Someone, code: str, **more: Any) -> Answer:
        return await self.ask("POST", PATH + "/join", {"joinCode": code, **more}, who=who)

    async def guest(self, code: str, name: str = "Gil", **options: Any) -> Answer:
        return await self.ask("POST", PATH + "/guests", {"joinCode": code, "name": name}, **options)

    async def people(self, dojo: str, who: Someone, status: str = "") -> dict[str, dict[str, Any]]:
        """The participants, by name."""
        more = f"&status={status}" if status else ""
        answer = await self.get(f"{PATH}/{dojo}/participants?pageSize=100{more}", who)
        assert answer.status == 200, answer.body
        return {item["userName"]: item for item in answer.body["items"]}

    async def mails(self) -> list[Mail]:
        rows = await self.everything.fetch("SELECT mail_id, sealed FROM mail_outbox ORDER BY created_at")
        return [unseal(self._master, row["mail_id"], row["sealed"]) for row in rows]

    async def audited(self, tenant: UUID) -> list[str]:
        rows = await self.everything.fetch("SELECT action FROM audit_log WHERE tenant_id = $1 ORDER BY at", tenant)
        return [row["action"] for row in rows]


@asynccontextmanager
async def serving_dojos(
    database: Database, redis: Redis, master: MasterKeys | None = None, voice: VoiceSettings | None = None
) -> AsyncIterator[DojoApi]:
    """The whole API in this process. `master`: of who served this database before."""
    settings = Settings(http_limits=UNLIMITED, voice=voice or VoiceSettings())
    settings = msgspec.structs.replace(settings, http=msgspec.structs.replace(settings.http, trusted_proxies=1))
    master = master or MasterKeys([os.urandom(32)])
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=10.0, max_size=12)
    everything = await asyncpg.connect(database.dsn("postgres"))
    services = ApiServices(settings, pool=pool, redis=redis, master=master, room_key=SigningKey.generate())
    try:
        await services.start()
        async with TestClient(TestServer(make_app(settings, services))) as client:
            yield DojoApi(client, services, everything, master, pool)
    finally:
        await services.close()
        await pool.close()
        await everything.close()
