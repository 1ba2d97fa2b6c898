from __future__ import annotations

import pytest

from tests.edge.identity.accounts_api import AccountsApi

ASK = "/api/v1/auth/email/verification"
VERIFY = "/api/v1/auth/email/verify"


async def verified(api: AccountsApi) -> bool:
    return bool(await api.everything.fetchval("SELECT email_verified_at IS NOT NULL FROM identities"))


async def test_the_link_of_the_first_mail_verifies_once(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    assert not await verified(api)
    token = await api.mailed_token()
    assert (await api.post(VERIFY, {"token": token})).status == 204
    assert await verified(api)
    assert "user.email_verified" in await api.audited(ana.tenant)
    again = await api.post(VERIFY, {"token": token})
    assert (again.status, again.code) == (400, "invalid_token")


async def test_another_mail_can_be_asked_for(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    first = await api.mailed_token()
    assert (await api.post(ASK, {"email": "ana@example.com"})).status == 202
    assert len(await api.mails()) == 2
    second = await api.mailed_token()
    assert second != first
    assert (await api.post(VERIFY, {"token": second})).status == 204
    assert (await api.post(VERIFY, {"token": first})).status == 400


async def test_nobody_and_somebody_verified_are_answered_alike_and_get_no_mail(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    await api.post(VERIFY, {"token": await api.mailed_token()})
    for email in ("ana@example.com", "eve@example.com"):
        answer = await api.post(ASK, {"email": email})
        assert (answer.status, answer.body) == (202, None)
    assert len(await api.mails()) == 1
    assert await api.everything.fetchval("SELECT count(*) FROM email_tokens WHERE identity_id IS NULL") == 2


async def test_a_late_token_verifies_nothing(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    await api.everything.execute("UPDATE email_tokens SET expires_at = now()")
    assert (await api.post(VERIFY, {"token": await api.mailed_token()})).code == "invalid_token"
    assert not await verified(api)


async def test_mails_are_limited(api: AccountsApi) -> None:
    answers = [await api.post(ASK, {"email": "eve@example.com"}, network=f"203.0.113.{n}") for n in range(6)]
    assert [answer.status for answer in answers] == [202] * 5 + [429]


@pytest.mark.parametrize("email", ['a"b@example.com', "a,b@example.com", "x" * 65 + "@example.com"])
async def test_where_no_mail_can_go_is_told(api: AccountsApi, email: str) -> None:
    for path in (ASK, "/api/v1/auth/password/reset"):
        answer = await api.post(path, {"email": email})
        assert (answer.status, answer.code) == (400, "invalid_email")
    assert await api.everything.fetchval("SELECT count(*) FROM email_tokens") == 0
