from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from redis.asyncio import Redis

from edge.identity.accounts import AccountSettings
from edge.identity.attempt_limits import AttemptLimits
from edge.identity.sessions import PER_USER
from tests.conftest import Database
from tests.edge.identity.accounts_api import PASSWORD, AccountsApi, serving_accounts, until

WRONG = "correct horse battery stable"


async def test_a_login_gives_tokens(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    answer = await api.login("  ANA@example.com".strip())
    assert answer.status == 200
    body = answer.body
    assert (body["tokenType"], body["expiresIn"]) == ("Bearer", 600)
    assert (UUID(body["userId"]), UUID(body["tenantId"])) == (ana.user, ana.tenant)
    assert body["refreshToken"].startswith("rt_")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    me = await api.ask("GET", "/api/v1/users/me", token=body["accessToken"])
    assert UUID(me.body["userId"]) == ana.user
    assert me.body["lastLoginAt"] is not None
    assert "session.opened" in await api.audited(ana.tenant)
    kept = str(await api.everything.fetch("SELECT * FROM refresh_tokens")) + str(
        await api.everything.fetch("SELECT * FROM sessions")
    )
    assert body["refreshToken"] not in kept


async def test_unknown_and_wrong_are_answered_alike(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    wrong = await api.login("ana@example.com", WRONG)
    unknown = await api.login("eve@example.com", WRONG)
    assert (wrong.status, wrong.code) == (401, "invalid_credentials")
    assert wrong.body == unknown.body
    assert {name for name in wrong.headers if name != "X-Request-ID"} == {
        name for name in unknown.headers if name != "X-Request-ID"
    }

    async def noted() -> bool:
        return "login.failed" in await api.audited(ana.tenant)

    await until(noted)
    details = await api.everything.fetch("SELECT * FROM audit_log WHERE action = 'login.failed'")
    assert "ana@example.com" not in str(details)
    assert WRONG not in str(details)


async def test_unknown_and_wrong_take_the_same_time(database: Database, redis: Redis) -> None:
    limits = AttemptLimits(logins_per_network_per_minute=1e6, logins_per_account_and_network=1e6)
    async with serving_accounts(database, redis, AccountSettings(attempts=limits)) as api:
        await api.sign_up("ana@example.com")

        async def seconds(email: str) -> float:
            started = time.perf_counter()
            assert (await api.login(email, WRONG)).status == 401
            return time.perf_counter() - started

        for email in ("ana@example.com", "eve@example.com"):
            await seconds(email)
        known, unknown = [], []
        for _ in range(40):
            known.append(await seconds("ana@example.com"))
            unknown.append(await seconds("eve@example.com"))
        # Without the dummy hash an unknown address is answered in a fifth of the time.
        # The quickest of each: whatever else the machine does makes some slower, and none quicker.
        ratio = min(unknown) / min(known)
        assert 0.6 < ratio < 1.6, ratio


async def test_the_pair_of_account_and_network_is_slowed_known_or_not(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    for email in ("ana@example.com", "eve@example.com"):
        network = f"203.0.113.{len(email)}{email[0] == 'a':d}"
        answers = [await api.login(email, WRONG, network=network) for _ in range(11)]
        assert [answer.status for answer in answers] == [401] * 10 + [429]
        assert answers[-1].code == "too_many_attempts"
        assert 60 <= int(answers[-1].headers["Retry-After"]) <= 90
        # Not even the right password from there, and everybody else as before: nobody is locked out.
        assert (await api.login(email, network=network)).status == 429
    assert (await api.login("ana@example.com", network="203.0.113.200")).status == 200


async def test_a_network_has_a_limit_of_its_own(api: AccountsApi) -> None:
    statuses: list[int] = []
    while 429 not in statuses and len(statuses) < 60:  # a slow machine is given one more every 3 s
        statuses.append((await api.login(f"n{len(statuses)}@example.com", WRONG, network="203.0.113.7")).status)
    assert statuses[:20] == [401] * 20
    assert statuses[-1] == 429


async def test_the_right_password_tells_what_is_in_the_way(database: Database, redis: Redis) -> None:
    async with serving_accounts(database, redis, AccountSettings(require_verified_email=True)) as api:
        ana = await api.sign_up("ana@example.com")
        assert (await api.login("ana@example.com", WRONG)).code == "invalid_credentials"
        answer = await api.login("ana@example.com")
        assert (answer.status, answer.code) == (403, "email_not_verified")
        assert (await api.post("/api/v1/auth/email/verify", {"token": await api.mailed_token()})).status == 204
        assert (await api.login("ana@example.com")).status == 200
        for table in ("users", "tenants"):
            await api.everything.execute(f"UPDATE {table} SET status = 'SUSPENDED' WHERE tenant_id = $1", ana.tenant)
            answer = await api.login("ana@example.com")
            assert (answer.status, answer.code) == (403, "account_suspended")
            assert (await api.login("ana@example.com", WRONG)).code == "invalid_credentials"
            await api.everything.execute(f"UPDATE {table} SET status = 'ACTIVE' WHERE tenant_id = $1", ana.tenant)
        await api.everything.execute("UPDATE users SET status = 'REMOVED' WHERE tenant_id = $1", ana.tenant)
        answer = await api.login("ana@example.com")
        assert (answer.status, answer.code) == (401, "invalid_credentials")


async def test_somebody_in_several_companies_chooses(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    globex = await api.member(ana)
    closed = await api.member(ana, "Closed")
    await api.everything.execute("UPDATE tenants SET status = 'SUSPENDED' WHERE tenant_id = $1", closed)
    wrong = await api.login("ana@example.com", WRONG)
    assert (wrong.status, "memberships" in wrong.body) == (401, False)
    answer = await api.login("ana@example.com")
    assert (answer.status, answer.code) == (409, "choose_tenant")
    assert answer.body["memberships"] == [
        {"tenantId": str(ana.tenant), "companyName": "Acme"},
        {"tenantId": str(globex), "companyName": "Globex"},
    ]
    for tenant in (ana.tenant, globex):
        granted = await api.signed_in("ana@example.com", tenantId=str(tenant))
        assert granted["tenantId"] == str(tenant)
    assert (await api.login("ana@example.com", more={"tenantId": str(closed)})).code == "account_suspended"
    stranger = await api.sign_up("bob@example.com")
    for tenant in (stranger.tenant, uuid4()):
        answer = await api.login("ana@example.com", more={"tenantId": str(tenant)})
        assert (answer.status, answer.code) == (401, "invalid_credentials")


async def test_one_open_company_of_several_needs_no_choice(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    closed = await api.member(ana, "Closed")
    await api.everything.execute("UPDATE tenants SET status = 'SUSPENDED' WHERE tenant_id = $1", closed)
    assert (await api.signed_in("ana@example.com"))["tenantId"] == str(ana.tenant)


async def test_a_hash_of_other_parameters_is_replaced(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    await api.everything.execute("UPDATE identities SET password_hash = $1", old)
    await api.signed_in("ana@example.com")
    new = await api.everything.fetchval("SELECT password_hash FROM identities")
    assert new != old
    assert "m=19456,t=2,p=1" in new
    await api.signed_in("ana@example.com")
    assert await api.everything.fetchval("SELECT password_hash FROM identities") == new


async def test_the_oldest_session_makes_room(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    first = await api.signed_in("ana@example.com")
    await api.everything.execute("UPDATE sessions SET created_at = created_at - interval '1 hour'")
    await api.everything.execute(
        "INSERT INTO sessions (tenant_id, user_id, kind, expires_at)"
        " SELECT $1, $2, 'NATIVE', now() + interval '1 day' FROM generate_series(1, $3::int)",
        ana.tenant,
        ana.user,
        PER_USER - 1,
    )
    second = await api.signed_in("ana@example.com")
    assert await api.everything.fetchval("SELECT count(*) FROM sessions WHERE revoked_at IS NULL") == PER_USER
    assert (await api.refresh(first["refreshToken"])).status == 401
    assert (await api.refresh(second["refreshToken"])).status == 200
    await api.refused(first["accessToken"])


async def test_a_password_changed_meanwhile_opens_nothing(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(api.everything.acquire())
        transaction = connection.transaction()
        await transaction.start()
        # Another request holds the person's row, about to change the password.
        await connection.execute("UPDATE identities SET password_hash = password_hash || '='")
        login = asyncio.create_task(api.login("ana@example.com"))

        async def waits() -> bool:
            return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))

        await until(waits)
        await transaction.commit()
        answer = await login
    assert (answer.status, answer.code) == (401, "invalid_credentials")
    assert await api.everything.fetchval("SELECT count(*) FROM sessions") == 0
