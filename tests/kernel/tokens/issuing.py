"""A service that issues tokens, as the API does: a key ring on a database, and what revokes."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from kernel.database import create_pool, tenant_scope
from kernel.secrets import MasterKeys
from kernel.tokens.access import RoleName, mint_access
from kernel.tokens.keyring import KeyRing
from kernel.tokens.socket_ticket import mint_socket_ticket

MASTER = MasterKeys([os.urandom(32)])
INSERT = "INSERT INTO revocations (tenant_id, user_id, session_id, token_version) VALUES ($1, $2, $3, $4)"


class Issuer:
    """Signs for anybody, and revokes as the triggers do."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.ring = KeyRing(MASTER)

    def access(
        self,
        tenant: UUID,
        user: UUID,
        session: UUID,
        *,
        role: RoleName = "member",
        version: int = 1,
        name: str = "Ana",
        now: float | None = None,
        seconds: int = 600,
    ) -> str:
        return mint_access(
            self.ring.key,
            tenant=tenant,
            user=user,
            session=session,
            version=version,
            role=role,
            name=name,
            now=time.time() if now is None else now,
            seconds=seconds,
        )

    def ticket(
        self,
        tenant: UUID,
        user: UUID,
        session: UUID,
        *,
        role: RoleName = "member",
        now: float | None = None,
        until: float | None = None,
    ) -> str:
        at = time.time() if now is None else now
        return mint_socket_ticket(
            self.ring.key,
            tenant=tenant,
            user=user,
            session=session,
            version=1,
            role=role,
            name="Ana",
            until=at + 300 if until is None else until,
            now=at,
        )

    async def revoke(
        self, tenant: UUID, user: UUID | None, session: UUID | None = None, version: int | None = None
    ) -> None:
        async with tenant_scope(self.pool, tenant) as connection:
            await connection.execute(INSERT, tenant, user, session, version)


@asynccontextmanager
async def issuing(dsn: str) -> AsyncIterator[Issuer]:
    """`dsn` is of the services' role."""
    pool = await create_pool(dsn, name="test", statement_seconds=5.0, max_size=2)
    try:
        issuer = Issuer(pool)
        async with pool.acquire() as connection:
            await issuer.ring.ensure(connection)
        yield issuer
    finally:
        await pool.close()
