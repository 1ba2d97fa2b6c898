from __future__ import annotations

import asyncio
import statistics
import time

import pytest
from redis.asyncio import Redis

from edge.identity.accounts import AccountSettings
from edge.identity.attempt_limits import AttemptLimits
from tests.conftest import Database
from tests.edge.identity.accounts_api import PASSWORD, AccountsApi, serving_accounts

PATH = "/api/v1/auth/password/reset"
NEW = "a wholly different sentence"


async def test_a_forgotten_password_is_replaced(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    globex = await api.member(ana)
    sessions = [await api.signed_in("ana@example.com", tenantId=str(tenant)) for tenant in (ana.tenant, globex)]
    asked = await api.post(PATH, {"email": "ANA@example.com"})
    assert (asked.status, asked.body) == (202, None)
    token = await api.mailed_token()
    answer = await api.post(f"{PATH}/confirm", {"token": token, "newPassword": NEW})
    assert answer.status == 204
    for session in sessions:
        assert (await api.refresh(session["refreshToken"])).status == 401
        await api.refused(session["accessToken"])
    assert (await api.login("ana@example.com")).code == "invalid_credentials"
    granted = await api.signed_in("ana@example.com", NEW, tenantId=str(ana.tenant))
    me = await api.ask("GET", "/api/v1/users/me", token=granted["accessToken"])
    assert me.body["emailVerified"] is True
    for tenant in (ana.tenant, globex):
        assert "user.password_reset" in await api.audited(tenant)


async def test_the_answer_is_the_same_for_nobody(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    known = await api.post(PATH, {"email": "ana@example.com"})
    unknown = await api.post(PATH, {"email": "eve@example.com"})
    assert (known.status, known.body) == (unknown.status, unknown.body) == (202, None)
    assert set(known.headers) == set(unknown.headers)
    mail = (await api.mails())[-1]
    assert mail.to == "eve@example.com"
    assert "#reset=" not in mail.text


async def test_and_takes_the_same_time(database: Database, redis: Redis) -> None:
    limits = AttemptLimits(mails_per_address_per_hour=1e6, mails_per_network_per_hour=1e6)
    async with serving_accounts(database, redis, AccountSettings(attempts=limits)) as api:
        await api.sign_up("ana@example.com")

        async def seconds(email: str) -> float:
            started = time.perf_counter()
            assert (await api.post(PATH, {"email": email})).status == 202
            return time.perf_counter() - started

        known, unknown = [], []
        for _ in range(60):
            known.append(await seconds("ana@example.com"))
            unknown.append(await seconds("eve@example.com"))
        # The quicker third of each: whatever else the machine does makes some slower, and none quicker.
        quick = [statistics.median(sorted(times)[:20]) for times in (known, unknown)]
        assert 0.7 < quick[1] / quick[0] < 1.4, quick


async def test_a_token_is_used_once(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    tokens = []
    for _ in range(2):
        await api.post(PATH, {"email": "ana@example.com"})
        tokens.append(await api.mailed_token())
    weak = await api.post(f"{PATH}/confirm", {"token": tokens[0], "newPassword": "ana@example.com"})
    assert (weak.status, weak.code, weak.body["reason"]) == (400, "weak_password", "personal")
    body = {"token": tokens[0], "newPassword": NEW}
    answers = await asyncio.gather(*(api.post(f"{PATH}/confirm", body) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [204, 400, 400, 400]
    # The older mail and the newer lie in the same mailbox: one use ends both.
    for token in tokens:
        again = await api.post(f"{PATH}/confirm", {"token": token, "newPassword": PASSWORD})
        assert (again.status, again.code) == (400, "invalid_token")
    assert (await api.login("ana@example.com", NEW)).status == 200


@pytest.mark.parametrize("spoil", ["UPDATE email_tokens SET expires_at = now()", "DELETE FROM identities"])
async def test_a_token_that_has_ended_does_nothing(api: AccountsApi, spoil: str) -> None:
    await api.sign_up("ana@example.com")
    await api.post(PATH, {"email": "ana@example.com"})
    token = await api.mailed_token()
    await api.everything.execute(spoil)
    for sent in (token, "nobody knows it"):
        answer = await api.post(f"{PATH}/confirm", {"token": sent, "newPassword": NEW})
        assert (answer.status, answer.code) == (400, "invalid_token")


async def test_a_token_for_another_purpose_does_nothing(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    verification = await api.mailed_token()
    answer = await api.post(f"{PATH}/confirm", {"token": verification, "newPassword": NEW})
    assert (answer.status, answer.code) == (400, "invalid_token")
    await api.post(PATH, {"email": "ana@example.com"})
    answer = await api.post("/api/v1/auth/email/verify", {"token": await api.mailed_token()})
    assert (answer.status, answer.code) == (400, "invalid_token")


async def test_mails_are_limited_known_or_not(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    for email in ("ana@example.com", "eve@example.com"):
        answers = [await api.post(PATH, {"email": email}, network=f"203.0.113.{n}") for n in range(6)]
        assert [answer.status for answer in answers] == [202] * 5 + [429]
        assert answers[-1].code == "too_many_attempts"
    statuses = [(await api.post(PATH, {"email": f"n{n}@example.com"}, network="192.0.2.9")).status for n in range(21)]
    assert statuses == [202] * 20 + [429]


async def test_no_token_lies_readable_in_the_database(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    await api.post(PATH, {"email": "ana@example.com"})
    token = await api.mailed_token()
    for table in ("email_tokens", "mail_outbox"):
        rows = await api.everything.fetch(f"SELECT * FROM {table}")
        content = b"".join(value for row in rows for value in row.values() if isinstance(value, bytes))
        assert token.encode() not in content
        assert b"ana@example.com" not in content
