"""What a process knows about tokens: keys and revocations."""

from __future__ import annotations

import time
from uuid import UUID, uuid4

import pytest

from kernel.database import tenant_scope
from kernel.tokens.authority import LOOK_BACK_SECONDS, REMEMBERED_SECONDS
from kernel.tokens.jws import TokenRefused
from kernel.tokens.socket_ticket import mint_socket_ticket
from tests.kernel.tokens.processes import INSERT, OTHER, TENANT, Processes, refusal


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
