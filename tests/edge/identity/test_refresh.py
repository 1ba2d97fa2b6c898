from __future__ import annotations

import asyncio

import pytest

from tests.edge.identity.accounts_api import ORIGIN, SECURE_ORIGIN, AccountsApi, until

OLD = "UPDATE refresh_tokens SET used_at = used_at - interval '31 seconds'"


async def test_each_token_leads_to_the_next(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    granted = await api.signed_in("ana@example.com")
    seen = {granted["refreshToken"]}
    for _ in range(5):
        answer = await api.refresh(granted["refreshToken"])
        assert answer.status == 200
        granted = answer.body
        assert granted["refreshToken"] not in seen
        seen.add(granted["refreshToken"])
        assert (await api.ask("GET", "/api/v1/users/me", token=granted["accessToken"])).status == 200
    assert await api.everything.fetchval("SELECT count(*) FROM sessions") == 1


async def test_a_lost_answer_is_given_again(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    first = (await api.signed_in("ana@example.com"))["refreshToken"]
    answers = [await api.refresh(first) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert len({answer.body["refreshToken"] for answer in answers}) == 1
    assert await api.everything.fetchval("SELECT count(*) FROM refresh_tokens") == 2
    # Its successor was used already, and the first reply still wanders about: nobody is signed out for it.
    second = await api.refresh(answers[0].body["refreshToken"])
    assert second.status == 200
    assert (await api.refresh(first)).status == 200
    assert (await api.refresh(second.body["refreshToken"])).status == 200


async def test_sent_at_once_it_has_one_successor(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    first = (await api.signed_in("ana@example.com"))["refreshToken"]
    async with api.everything.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE sessions SET network = network")  # the session's row is held
        refreshes = [asyncio.create_task(api.refresh(first)) for _ in range(5)]

        async def all_wait() -> bool:
            waiting: int = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return waiting == len(refreshes)

        await until(all_wait)
        await transaction.commit()
        answers = await asyncio.gather(*refreshes)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["refreshToken"] for answer in answers}) == 1
    assert await api.everything.fetchval("SELECT count(*) FROM refresh_tokens") == 2


async def test_a_copied_token_ends_the_session(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    granted = await api.signed_in("ana@example.com")
    bystander = await api.signed_in("ana@example.com")
    stolen = granted["refreshToken"]
    following = (await api.refresh(stolen)).body
    await api.everything.execute(OLD)
    answer = await api.refresh(stolen)
    assert (answer.status, answer.code) == (401, "invalid_refresh_token")
    assert (await api.refresh(following["refreshToken"])).status == 401
    await api.refused(granted["accessToken"])
    await api.refused(following["accessToken"])
    assert (await api.audited(ana.tenant)).count("session.refresh_reused") == 1
    assert stolen not in str(await api.everything.fetch("SELECT * FROM audit_log"))
    assert (await api.refresh(bystander["refreshToken"])).status == 200


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE refresh_tokens SET expires_at = now()",
        "UPDATE sessions SET expires_at = now()",
        "UPDATE sessions SET revoked_at = now()",
        "UPDATE users SET status = 'SUSPENDED'",
        "UPDATE users SET status = 'REMOVED'",
        "UPDATE tenants SET status = 'SUSPENDED'",
        "UPDATE tenants SET status = 'ERASING'",
    ],
)
async def test_what_has_ended_is_not_refreshed(api: AccountsApi, end: str) -> None:
    await api.sign_up("ana@example.com")
    token = (await api.signed_in("ana@example.com"))["refreshToken"]
    await api.everything.execute(end)
    answer = await api.refresh(token)
    unknown = await api.refresh("rt_" + "A" * 43)
    assert (answer.status, answer.code) == (401, "invalid_refresh_token")
    assert answer.body == unknown.body
    assert await api.everything.fetchval("SELECT count(*) FROM refresh_tokens") == 1


async def test_a_session_ends_after_90_days_however_often_it_is_refreshed(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    token = (await api.signed_in("ana@example.com"))["refreshToken"]
    lives = "SELECT extract(epoch FROM max(r.expires_at) - now()) / 86400 FROM refresh_tokens r"
    assert 29.9 < await api.everything.fetchval(lives) < 30.1
    whole = await api.everything.fetchval("SELECT extract(epoch FROM expires_at - now()) / 86400 FROM sessions")
    assert 89.9 < whole < 90.1
    await api.everything.execute("UPDATE sessions SET expires_at = now() + interval '3 days'")
    token = (await api.refresh(token)).body["refreshToken"]
    await api.everything.execute("DELETE FROM refresh_tokens WHERE used_at IS NOT NULL")
    assert 2.9 < await api.everything.fetchval(lives) < 3.1
    assert (await api.refresh(token)).status == 200


@pytest.mark.parametrize("body", [{}, {"refreshToken": None}, {"refreshToken": "garbage"}, {"refreshToken": "é" * 46}])
async def test_what_is_no_token_is_refused(api: AccountsApi, body: dict[str, object]) -> None:
    answer = await api.post("/api/v1/auth/refresh", body)
    assert (answer.status, answer.code) == (401, "invalid_refresh_token")


async def test_a_browser_keeps_its_token_in_a_cookie(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    answer = await api.login("ana@example.com", more={"client": "browser"}, headers={"Origin": ORIGIN})
    assert answer.status == 200
    assert "refreshToken" not in answer.body
    cookie = answer.cookies["dojo_refresh"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/api/v1/auth")
    assert (cookie["secure"], cookie["domain"]) == ("", "")
    assert 29 * 86400 < int(cookie["max-age"]) <= 30 * 86400
    headers = {"Origin": ORIGIN, "Cookie": f"dojo_refresh={cookie.value}"}
    refreshed = await api.post("/api/v1/auth/refresh", headers=headers)
    assert refreshed.status == 200
    assert "refreshToken" not in refreshed.body
    assert refreshed.cookies["dojo_refresh"].value not in ("", cookie.value)


async def test_over_https_the_cookie_is_secure(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    answer = await api.login("ana@example.com", more={"client": "browser"}, headers={"Origin": SECURE_ORIGIN})
    assert answer.cookies["dojo_refresh"]["secure"] is True


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example.com"}, {"Origin": "null"}])
async def test_a_cookie_is_worth_nothing_from_another_page(api: AccountsApi, headers: dict[str, str]) -> None:
    await api.sign_up("ana@example.com")
    answer = await api.login("ana@example.com", more={"client": "browser"}, headers=headers)
    assert (answer.status, answer.code) == (403, "origin_not_allowed")
    good = await api.login("ana@example.com", more={"client": "browser"}, headers={"Origin": ORIGIN})
    cookie = good.cookies["dojo_refresh"].value
    answer = await api.post("/api/v1/auth/refresh", headers={"Cookie": f"dojo_refresh={cookie}", **headers})
    assert (answer.status, answer.code) == (403, "origin_not_allowed")
    assert "Set-Cookie" not in answer.headers


async def test_a_token_is_taken_only_the_way_it_was_given(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    browser = await api.login("ana@example.com", more={"client": "browser"}, headers={"Origin": ORIGIN})
    assert (await api.refresh(browser.cookies["dojo_refresh"].value)).status == 401
    native = await api.signed_in("ana@example.com")
    headers = {"Origin": ORIGIN, "Cookie": f"dojo_refresh={native['refreshToken']}"}
    answer = await api.post("/api/v1/auth/refresh", headers=headers)
    assert answer.status == 401
    assert int(answer.cookies["dojo_refresh"]["max-age"]) == 0
    assert (await api.refresh(native["refreshToken"])).status == 200
