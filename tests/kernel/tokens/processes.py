"""Processes that check tokens against one database, and what tests wait for in them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from kernel.database import create_pool, tenant_scope
from kernel.redis import create_client
from kernel.secrets import MasterKeys
from kernel.tokens.access import mint_access
from kernel.tokens.authority import Authority
from kernel.tokens.jws import TokenRefused
from kernel.tokens.keyring import KeyRing

EFFECT_SECONDS = 5.0
"""Within this a revocation takes effect, whatever is away."""
MASTER = MasterKeys([os.urandom(32)])
TENANT, OTHER = UUID(int=1), UUID(int=2)
INSERT = "INSERT INTO revocations (tenant_id, user_id, session_id, token_version) VALUES ($1, $2, $3, $4)"


class Clock:
    """Both clocks of an authority, ahead of the real ones by as much as a test wants."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def wall(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


class Processes:
    """A key ring, and any number of authorities with connections of their own."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.clock = Clock()
        self.signer_ahead = 0.0
        """How far the signer's clock is ahead of the verifiers'."""
        self.ring = KeyRing(MASTER, clock=lambda: self.clock.wall() + self.signer_ahead)
        self.pool: Any = None
        self._ends: list[Callable[[], Any]] = []

    async def authority(self, redis: str | None = None, *, keeps_up: bool = False) -> Authority:
        pool = await create_pool(self.dsn, name="test", statement_seconds=5.0, max_size=2)
        client = create_client(redis) if redis is not None else None
        found = Authority(pool, client, clock=self.clock.wall, monotonic=self.clock.monotonic)
        if keeps_up:
            await found.start()
        else:
            await found.refresh()
        self._ends += [pool.close, *([client.aclose] if client is not None else []), found.close]
        return found

    def token(self, user: UUID, session: UUID, *, version: int = 1, tenant: UUID = TENANT) -> str:
        return mint_access(
            self.ring.key,
            tenant=tenant,
            user=user,
            session=session,
            version=version,
            role="member",
            name="Ana",
            now=self.clock.wall(),
        )

    async def revoke(self, *values: object, tenant: UUID = TENANT) -> None:
        """(user, session, version), as the triggers write it."""
        async with tenant_scope(self.pool, tenant) as connection:
            await connection.execute(INSERT, tenant, *values)

    async def end(self) -> None:
        for end in reversed(self._ends):
            await end()


@asynccontextmanager
async def processes(dsn: str) -> AsyncIterator[Processes]:
    found = Processes(dsn)
    found.pool = await create_pool(dsn, name="test", statement_seconds=5.0, max_size=4)
    try:
        async with found.pool.acquire() as connection:
            await found.ring.ensure(connection)
        yield found
    finally:
        await found.end()
        await found.pool.close()


async def refusal(authority: Authority, token: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        await authority.access(token)
    assert refused.value.__cause__ is None
    assert not any(part in repr(refused.value) for part in token.split(".") if part)
    return refused.value.reason


async def takes_effect(authority: Authority, token: str) -> float:
    """How long until the token is refused as revoked."""
    started = time.monotonic()
    reason = None

    async def refused() -> bool:
        nonlocal reason
        try:
            await authority.access(token)
        except TokenRefused as error:
            reason = error.reason
        return reason is not None

    await until(refused)
    assert reason == "revoked"
    return time.monotonic() - started


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = EFFECT_SECONDS) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - nor does a database
            await asyncio.sleep(0.005)


async def heard(*authorities: Authority, hears: bool = True) -> None:
    """Wait until Redis is noticed, or its absence."""

    async def noticed() -> bool:
        return all(authority.hears is hears for authority in authorities)

    await until(noticed, 2 * EFFECT_SECONDS)
