"""Two companies in one Dojo, each with something in every table, behind the whole API."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from redis.asyncio import Redis

from dojo.api import make_app
from dojo.api_services import ApiServices
from dojo.settings import Settings
from kernel.database import create_pool
from kernel.http.limits import HttpLimits
from kernel.http.operation import Role
from kernel.secrets import MasterKeys
from kernel.tokens import SigningKey
from kernel.tokens.access import mint_access
from tests.conftest import Database

UNLIMITED = HttpLimits(
    network_per_second=1e6,
    network_burst=1e6,
    user_per_second=1e6,
    user_burst=1e6,
    tenant_per_second=1e6,
    tenant_burst=1e6,
)

_NOBODYS_PASSWORD = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(os.urandom(16))


@dataclass(frozen=True, slots=True)
class Company:
    """A tenant with its ids, by the name of the field that asks for one."""

    tenant: UUID
    users: Mapping[Role, UUID]
    ids: Mapping[str, UUID]
    texts: frozenset[str]
    """What its names, addresses and the like have in common."""

    @property
    def secrets(self) -> frozenset[str]:
        """What nobody else may ever read: texts and ids."""
        return self.texts | {str(id_) for id_ in (*self.ids.values(), *self.users.values())}


class TwoCompanies:
    """The API, and a superuser's view of the tables behind it."""

    def __init__(self, client: TestClient[Any, Any], services: ApiServices, superuser: Any) -> None:
        self.client = client
        self._services = services
        self._superuser = superuser

    async def found(self, name: str) -> Company:
        """A company with one user of each role, a session, an invitation, an issuer, a dojo and an entry in the
        audit log."""
        db, tenant = self._superuser, uuid4()
        await db.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, $2)", tenant, f"{name} secret company")
        users = {}
        for role in Role:
            identity = uuid4()
            email = f"{role.value}@{name}.secret.example"
            await db.execute(
                "INSERT INTO identities (identity_id, email, password_hash, email_verified_at)"
                " VALUES ($1, $2, $3, now())",
                identity,
                email,
                _NOBODYS_PASSWORD,
            )
            users[role] = await db.fetchval(
                "INSERT INTO users (tenant_id, identity_id, email, full_name, role) VALUES ($1, $2, $3, $4, $5)"
                " RETURNING user_id",
                tenant,
                identity,
                email,
                f"{name} secret person",
                role.value,
            )
        admin = users[Role.ADMIN]
        session = await db.fetchval(
            "INSERT INTO sessions (tenant_id, user_id, kind, user_agent, expires_at)"
            " VALUES ($1, $2, 'NATIVE', $3, now() + interval '1 day') RETURNING session_id",
            tenant,
            admin,
            f"{name} secret agent",
        )
        await db.execute(
            "INSERT INTO refresh_tokens (tenant_id, token_hash, session_id, salt, expires_at)"
            " VALUES ($1, $2, $3, $4, now() + interval '1 day')",
            tenant,
            os.urandom(32),
            session,
            os.urandom(16),
        )
        invitation = await db.fetchval(
            "INSERT INTO invitations (tenant_id, email, role, token_hash, invited_by, expires_at)"
            " VALUES ($1, $2, 'member', $3, $4, now() + interval '1 day') RETURNING invitation_id",
            tenant,
            f"invited@{name}.secret.example",
            os.urandom(32),
            admin,
        )
        issuer = await db.fetchval(
            "INSERT INTO issuers (tenant_id, issuer, client_id) VALUES ($1, $2, 'app') RETURNING issuer_id",
            tenant,
            f"https://{name}.secret.example",
        )
        await db.execute(
            "INSERT INTO external_identities (tenant_id, issuer, subject, user_id) VALUES ($1, $2, 'subject', $3)",
            tenant,
            f"https://{name}.secret.example",
            users[Role.MEMBER],
        )
        dojo = await self._dojo(tenant, name, admin, users[Role.MEMBER], invitation)
        audit = await db.fetchval(
            "INSERT INTO audit_log (tenant_id, actor_id, action, target_id) VALUES ($1, $2, $3, $2) RETURNING audit_id",
            tenant,
            admin,
            f"{name}.secret",
        )
        ids = {
            "tenantId": tenant,
            "userId": users[Role.MEMBER],
            "actorId": admin,
            "sessionId": session,
            "invitationId": invitation,
            "issuerId": issuer,
            "auditId": audit,
            **dojo,
        }
        return Company(tenant, users, ids, frozenset({f"{name} secret", f"{name}.secret"}))

    async def _dojo(self, tenant: UUID, name: str, host: UUID, member: UUID, invitation: UUID) -> Mapping[str, UUID]:
        """A private dojo under way: a room with its host and a member in it, an invitation, a message, a snapshot."""
        db, text = self._superuser, f"{name} secret dojo"
        dojo = await db.fetchval(
            "INSERT INTO dojos (tenant_id, creator_id, name, description, language, initial_code, join_code_hash,"
            " status, started_at)"
            " VALUES ($1, $2, $3::text, $3::text, 'python', $3::text, $4, 'ACTIVE', now()) RETURNING dojo_id",
            tenant,
            host,
            text,
            os.urandom(32),
        )
        room = await db.fetchval(
            "INSERT INTO dojo_rooms (tenant_id, dojo_id, name, sensei_id, is_main) VALUES ($1, $2, $3, $4, true)"
            " RETURNING room_id",
            tenant,
            dojo,
            text,
            host,
        )
        for user, role in ((host, "HOST"), (member, "PARTICIPANT")):
            await db.execute(
                "INSERT INTO dojo_participants (tenant_id, dojo_id, user_id, shown_name, role)"
                " VALUES ($1, $2, $3, $4, $5)",
                tenant,
                dojo,
                user,
                f"{name} secret person",
                role,
            )
            await db.execute(
                "INSERT INTO dojo_room_participants (tenant_id, room_id, user_id) VALUES ($1, $2, $3)",
                tenant,
                room,
                user,
            )
        await db.execute(
            "INSERT INTO dojo_invitations"
            " (tenant_id, invitation_id, dojo_id, email, token_hash, invited_by, expires_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, now() + interval '1 day')",
            tenant,
            invitation,
            dojo,
            f"invited@{name}.secret.example",
            os.urandom(32),
            host,
        )
        await db.execute(
            "INSERT INTO dojo_chat_messages (tenant_id, dojo_id, room_id, user_id, user_name, message)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            tenant,
            dojo,
            room,
            member,
            f"{name} secret person",
            text,
        )
        snapshot = await db.fetchval(
            "INSERT INTO dojo_code_snapshots (tenant_id, dojo_id, room_id, code, user_id) VALUES ($1, $2, $3, $4, $5)"
            " RETURNING snapshot_id",
            tenant,
            dojo,
            room,
            msgspec.json.encode({"main.py": text}).decode(),
            member,
        )
        command = await db.fetchval(
            "INSERT INTO dojo_room_commands (tenant_id, room_id, user_id, kind, payload, done_at)"
            " VALUES ($1, $2, $3, 'RESTORE', '{}', now()) RETURNING command_id",
            tenant,
            room,
            member,
        )
        await db.execute(
            "INSERT INTO dojo_turns (tenant_id, room_id, turn_number, pilot_id, started_at, ended_at)"
            " VALUES ($1, $2, 1, $3, now() - interval '1 minute', now())",
            tenant,
            room,
            member,
        )
        for number, user in enumerate((host, member), start=1):
            await db.execute(
                "INSERT INTO dojo_voice_people (tenant_id, dojo_id, user_id, number, room_id)"
                " VALUES ($1, $2, $3, $4, $5)",
                tenant,
                dojo,
                user,
                number,
                room,
            )
        await db.execute("INSERT INTO dojo_voice_rooms (tenant_id, room_id) VALUES ($1, $2)", tenant, room)
        await db.execute(
            "INSERT INTO dojo_voice_talk (tenant_id, room_id, user_id, seconds, told, told_at)"
            " VALUES ($1, $2, $3, 1, 1, 1)",
            tenant,
            room,
            member,
        )
        people = dict.fromkeys(("senseiId", "sensei", "pilot", "order", "writers", "to"), member)
        ids = {"dojoId": dojo, "roomId": room, "snapshotId": snapshot, "with": snapshot, "commandId": command}
        # Nobody is connected, so the id of a connection is nobody's.
        return {**ids, **people, "copilot": host, "room": room, "peerId": uuid4()}

    def token(self, company: Company, role: Role) -> str:
        """A good access token of a session of its own: what one request ends does not end the next."""
        return mint_access(
            self._services.keys.key,
            tenant=company.tenant,
            user=company.users[role],
            session=uuid4(),
            version=1,
            role=role.value,
            name="Somebody",
            now=time.time(),
        )

    async def fingerprints(self, company: Company) -> dict[str, str]:
        """A hash of all rows of a company, by table, and of its people's logins."""
        tables = await self._superuser.fetch(
            "SELECT table_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY table_name"
        )
        found = {}
        for row in tables:
            name = row["table_name"]
            found[name] = await self._hash(f"SELECT t::text FROM {name} t WHERE tenant_id = $1", company.tenant)
        found["identities"] = await self._hash(
            "SELECT i::text FROM identities i JOIN users u USING (identity_id) WHERE u.tenant_id = $1", company.tenant
        )
        return found

    async def _hash(self, statement: str, tenant: UUID) -> str:
        lines = sorted(row[0] for row in await self._superuser.fetch(statement, tenant))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@asynccontextmanager
async def two_companies(database: Database, redis: Redis) -> AsyncIterator[TwoCompanies]:
    """The whole API in this process, on a real Postgres and Redis."""
    settings = Settings(http_limits=UNLIMITED)
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=10.0, max_size=8)
    superuser = await asyncpg.connect(database.dsn("postgres"))
    services = ApiServices(
        settings, pool=pool, redis=redis, master=MasterKeys([os.urandom(32)]), room_key=SigningKey.generate()
    )
    try:
        await services.start()
        async with TestClient(TestServer(make_app(settings, services))) as client:
            yield TwoCompanies(client, services, superuser)
    finally:
        await services.close()
        await pool.close()
        await superuser.close()
