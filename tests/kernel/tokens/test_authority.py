"""What a process knows about tokens: keys and revocations, with Redis, without it, and without Postgres."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from dojo.embedded.postgres import OWNER, EmbeddedPostgres
from dojo.embedded.redis import EmbeddedRedis
from dojo.migrate import migrate
from kernel.database import create_pool, tenant_scope
from kernel.redis import create_client
from kernel.secrets import MasterKeys
from kernel.tokens.access import ACCESS_SECONDS, mint_access
from kernel.tokens.authority import (
    LOOK_BACK_SECONDS,
    REFETCH_SECONDS,
    REMEMBERED_SECONDS,
    UNVERIFIABLE_SECONDS,
    Authority,
    AuthorityAway,
)
from kernel.tokens.jws import TokenRefused
from kernel.tokens.keyring import PUBLISHED_AHEAD_SECONDS, RETIRED_SECONDS, SIGNS_SECONDS, KeyRing
from kernel.tokens.signing_key import SigningKey
from kernel.tokens.socket_ticket import mint_socket_ticket
from tests.conftest import Database

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


@pytest.fixture
async def all_of(database: Database) -> AsyncIterator[Processes]:
    async with processes(database.dsn("dojo_service")) as found:
        yield found


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


async def test_a_genuine_token_is_taken_by_every_process(all_of: Processes) -> None:
    user, session = uuid4(), uuid4()
    token = all_of.token(user, session)
    for authority in (await all_of.authority(), await all_of.authority()):
        claims = await authority.access(token)
        assert (claims.tid, claims.sub, claims.sid) == (TENANT, user, session)
        assert [key["kid"] for key in authority.jwks()["keys"]] == [all_of.ring.key.kid]
        assert set(authority.jwks()["keys"][0]) == {"kty", "crv", "x", "kid", "use", "alg"}


async def test_socket_tickets_are_checked_alike(all_of: Processes) -> None:
    authority = await all_of.authority()
    user, session = uuid4(), uuid4()
    now = time.time()
    ticket = mint_socket_ticket(
        all_of.ring.key,
        tenant=TENANT,
        user=user,
        session=session,
        version=1,
        role="guest",
        name="Ana",
        until=now + 300,
        now=now,
    )
    assert (await authority.ticket(ticket)).role == "guest"
    assert await refusal(authority, ticket) == "wrong_type"
    await all_of.revoke(user, session, None)
    await authority.refresh()
    with pytest.raises(TokenRefused, match="revoked"):
        await authority.ticket(ticket)


async def test_a_revoked_session_a_demoted_user_and_a_suspended_tenant(all_of: Processes) -> None:
    authority = await all_of.authority()
    told: list[frozenset[UUID]] = []
    authority.on_revoked(told.append)
    ana, ben, session, second = (uuid4() for _ in range(4))
    assert (await authority.access(all_of.token(ana, session))).sub == ana
    await all_of.revoke(ana, session, None)
    await all_of.revoke(ben, None, 2)
    await all_of.revoke(None, None, None, tenant=OTHER)
    await authority.refresh()
    await authority.refresh()
    assert told == [{TENANT, OTHER}], "told once, though each poll reads the last minute again"
    assert await refusal(authority, all_of.token(ana, session)) == "revoked"
    assert (await authority.access(all_of.token(ana, second))).sid == second
    assert await refusal(authority, all_of.token(ben, second, version=1)) == "revoked"
    assert (await authority.access(all_of.token(ben, second, version=2))).ver == 2
    assert await refusal(authority, all_of.token(ana, second, tenant=OTHER)) == "revoked"


async def test_one_that_starts_later_knows_what_was_revoked_before(all_of: Processes) -> None:
    ana, session = uuid4(), uuid4()
    token = all_of.token(ana, session)
    await all_of.revoke(ana, session, None)
    assert await refusal(await all_of.authority(), token) == "revoked"


async def test_commits_that_become_visible_out_of_order_are_not_missed(all_of: Processes) -> None:
    authority = await all_of.authority()
    slow, quick, session = uuid4(), uuid4(), uuid4()
    async with tenant_scope(all_of.pool, TENANT) as connection:
        await connection.execute(INSERT, TENANT, slow, session, None)
        await all_of.revoke(quick, session, None)
        await authority.refresh()
        assert (await authority.access(all_of.token(slow, uuid4()))).sub == slow
    await authority.refresh()
    assert await refusal(authority, all_of.token(slow, session)) == "revoked"


async def test_after_an_outage_it_looks_back_as_far_as_needed(all_of: Processes) -> None:
    authority = await all_of.authority()
    ana, session = uuid4(), uuid4()
    async with all_of.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.tenant', $1, true)", str(TENANT))
        await connection.execute(
            "INSERT INTO revocations (tenant_id, user_id, session_id, revoked_at)"
            " VALUES ($1, $2, $3, now() - $4 * interval '1 second')",
            TENANT,
            ana,
            session,
            LOOK_BACK_SECONDS + 100,
        )
    await authority.refresh()
    assert (await authority.access(all_of.token(ana, session))).sub == ana, "the test's own case is one"
    all_of.clock.ahead = 200.0
    await authority.refresh()
    assert await refusal(authority, all_of.token(ana, session)) == "revoked"


async def test_what_no_token_can_mean_any_more_leaves_memory(all_of: Processes) -> None:
    authority = await all_of.authority()
    await all_of.revoke(uuid4(), uuid4(), None)
    await authority.refresh()
    assert len(authority._revocations) == 1
    all_of.clock.ahead = 2 * REMEMBERED_SECONDS
    await authority.refresh()
    assert len(authority._revocations) == 0


# How fast


async def test_with_redis_every_process_knows_in_no_time(all_of: Processes, redis_url: str) -> None:
    here, there = [await all_of.authority(redis_url, keeps_up=True) for _ in range(2)]
    await heard(here, there)
    ana, session = uuid4(), uuid4()
    token = all_of.token(ana, session)
    assert (await there.access(token)).sub == ana
    await all_of.revoke(ana, session, None)
    await here.ring()
    assert await takes_effect(there, token) < 1.0
    assert await takes_effect(here, token) < 1.0


async def test_with_redis_killed_it_still_takes_effect_and_hears_again_later(all_of: Processes, tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    try:
        authority = await all_of.authority(server.url(), keeps_up=True)
        await heard(authority)
        await server.kill()
        await heard(authority, hears=False)
        ana, session = uuid4(), uuid4()
        await all_of.revoke(ana, session, None)
        await authority.ring()
        await takes_effect(authority, all_of.token(ana, session))
        second = uuid4()
        await all_of.revoke(ana, second, None)  # in a process that dies before it rings
        await takes_effect(authority, all_of.token(ana, second))
        await server.start()
        await heard(authority)
    finally:
        await server.stop()


async def test_with_a_redis_that_hangs_too(all_of: Processes, tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    try:
        authority = await all_of.authority(server.url(), keeps_up=True)
        await heard(authority)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        ana, session = uuid4(), uuid4()
        await all_of.revoke(ana, session, None)
        await takes_effect(authority, all_of.token(ana, session))
        os.kill(server.pid, signal.SIGCONT)
    finally:
        await server.stop()


# Keys


async def test_a_rotation_signs_nobody_out_not_even_at_a_verifier_that_lags(all_of: Processes) -> None:
    keen, lazy = await all_of.authority(), await all_of.authority()
    ana = uuid4()
    async with all_of.pool.acquire() as connection:
        all_of.clock.ahead = SIGNS_SECONDS
        old = all_of.ring.key
        await lazy.refresh()
        await all_of.ring.ensure(connection)
        await keen.refresh()
        assert all_of.ring.key.kid == old.kid
        assert len(keen.jwks()["keys"]) == 2
        before = all_of.token(ana, uuid4())
        # A lagging verifier that knows the revocations of the last minute meets a new key only if the signer's clock
        # is ahead as well.
        all_of.signer_ahead = 20.0
        all_of.clock.ahead += PUBLISHED_AHEAD_SECONDS - all_of.signer_ahead + 1
        assert all_of.ring.key.kid != old.kid, "by its own clock, without looking again"
        after = all_of.token(ana, uuid4())
        for authority in (keen, lazy):
            for token in (before, after):
                assert (await authority.access(token)).sub == ana
        await all_of.ring.ensure(connection)
        last = mint_access(
            old, tenant=TENANT, user=ana, session=uuid4(), version=1, role="host", name="", now=all_of.clock.wall()
        )
        all_of.clock.ahead += ACCESS_SECONDS - 1
        for authority in (keen, lazy):
            await authority.refresh()
            for token in (after, last):
                assert (await authority.access(token)).sub == ana
        all_of.clock.ahead += RETIRED_SECONDS
        await all_of.ring.ensure(connection)
        await keen.refresh()
        assert [key["kid"] for key in keen.jwks()["keys"]] == [all_of.ring.key.kid]


async def test_a_flood_of_unknown_keys_is_no_flood_of_queries(all_of: Processes, database: Database) -> None:
    authority = await all_of.authority()
    good = all_of.token(uuid4(), uuid4())
    stranger = SigningKey.generate()
    all_of.clock.ahead = REFETCH_SECONDS
    forged = [
        mint_access(
            stranger,
            tenant=TENANT,
            user=uuid4(),
            session=uuid4(),
            version=1,
            role="admin",
            name="Mallory",
            now=time.time(),
        )
    ] * 10_000
    reads = 0
    read = authority._read

    async def counted(seconds: float) -> tuple[list[Any], list[Any]]:
        nonlocal reads
        reads += 1
        return await read(seconds)

    authority._read = counted  # type: ignore[method-assign]
    started = time.monotonic()
    found = await asyncio.gather(*(authority.access(token) for token in forged), return_exceptions=True)
    seconds = time.monotonic() - started
    assert {str(refused) for refused in found} == {"unknown_key"}
    assert 1 <= reads <= 1 + seconds / REFETCH_SECONDS
    assert (await authority.access(good)).role == "member"


async def test_a_row_that_is_no_key_is_left_out(all_of: Processes) -> None:
    async with all_of.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO signing_keys (kid, public_jwk, sealed_private, active_from)"
            """ VALUES ('broken', '{"kty":"EC"}', '\\x00', now() - interval '1 day')"""
        )
    authority = await all_of.authority()
    assert [key["kid"] for key in authority.jwks()["keys"]] == [all_of.ring.key.kid]
    assert (await authority.access(all_of.token(uuid4(), uuid4()))).tid == TENANT


# Without Postgres


async def test_without_postgres_tokens_are_taken_for_a_minute_and_then_nobody_can_tell(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    await server.start()
    try:
        await migrate(server.dsn(OWNER))
        async with processes(server.dsn("dojo_service")) as all_of:
            authority = await all_of.authority(keeps_up=True)
            ana, session, gone = uuid4(), uuid4(), uuid4()
            token = all_of.token(ana, session)
            await all_of.revoke(ana, gone, None)
            await authority.refresh()
            await server.stop()
            with pytest.raises(AuthorityAway):
                await authority.refresh()
            assert (await authority.access(token)).sub == ana
            all_of.clock.ahead = UNVERIFIABLE_SECONDS + 1
            assert await refusal(authority, token) == "unverifiable"
            assert authority.revoked((await _claims(all_of, ana, gone)).bearer), "what is known stays known"
            await server.start()

            async def back() -> bool:
                return authority.fresh

            await until(back, 2 * EFFECT_SECONDS)
            assert (await authority.access(token)).sub == ana
    finally:
        await server.stop()


async def _claims(all_of: Processes, user: UUID, session: UUID) -> Any:
    from kernel.tokens.access import verify_access
    from kernel.tokens.jws import PublicKeys

    key = all_of.ring.key
    return verify_access(PublicKeys([key.public_jwk()]), all_of.token(user, session), all_of.clock.wall())


async def test_it_does_not_start_without_postgres() -> None:
    pool = await create_pool("postgresql://dojo_service@127.0.0.1:1/dojo", name="t", statement_seconds=1.0, max_size=1)
    authority = Authority(pool, None)
    with pytest.raises(AuthorityAway, match="cannot read revocations and keys"):
        await authority.start()
    with pytest.raises(TokenRefused):
        await authority.access("a.b.c")
    await authority.close()
    await pool.close()


async def test_the_triggers_of_the_database_are_heard(all_of: Processes) -> None:
    """A user's role, a session, a company: whoever changes the row revokes, without thinking of it."""
    authority = await all_of.authority()
    ana, session = uuid4(), uuid4()
    async with tenant_scope(all_of.pool, TENANT) as db:
        await db.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, 'Acme')", TENANT)
        await db.execute(
            "INSERT INTO users (tenant_id, user_id, full_name, role) VALUES ($1, $2, 'Ana', 'host')", TENANT, ana
        )
        await db.execute(
            "INSERT INTO sessions (tenant_id, session_id, user_id, kind, expires_at)"
            " VALUES ($1, $2, $3, 'NATIVE', now() + interval '1 day')",
            TENANT,
            session,
            ana,
        )
    async with tenant_scope(all_of.pool, TENANT) as db:
        await db.execute("UPDATE users SET role = 'guest' WHERE user_id = $1", ana)
    await authority.refresh()
    assert await refusal(authority, all_of.token(ana, session, version=1)) == "revoked"
    assert (await authority.access(all_of.token(ana, session, version=2))).sub == ana
    async with tenant_scope(all_of.pool, TENANT) as db:
        await db.execute("UPDATE sessions SET revoked_at = now() WHERE session_id = $1", session)
    await authority.refresh()
    assert await refusal(authority, all_of.token(ana, session, version=2)) == "revoked"
    second = uuid4()
    assert (await authority.access(all_of.token(ana, second, version=2))).sub == ana
    async with tenant_scope(all_of.pool, TENANT) as db:
        await db.execute("UPDATE tenants SET status = 'SUSPENDED'")
    await authority.refresh()
    assert await refusal(authority, all_of.token(ana, second, version=2)) == "revoked"
