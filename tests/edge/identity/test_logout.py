from __future__ import annotations

from tests.edge.identity.accounts_api import ORIGIN, AccountsApi


async def test_a_session_ends_at_once_and_others_stay(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    here, there = await api.signed_in("ana@example.com"), await api.signed_in("ana@example.com")
    assert (await api.post("/api/v1/auth/logout", token=here["accessToken"])).status == 204
    assert (await api.refresh(here["refreshToken"])).status == 401
    await api.refused(here["accessToken"])
    assert (await api.ask("GET", "/api/v1/users/me", token=there["accessToken"])).status == 200
    assert (await api.refresh(there["refreshToken"])).status == 200
    assert "session.ended" in await api.audited(ana.tenant)


async def test_everywhere_is_on_every_device_in_every_company(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    bob = await api.signed_in((await api.sign_up("bob@example.com")).email)
    globex = await api.member(ana)
    sessions = [
        await api.signed_in("ana@example.com", tenantId=str(tenant)) for tenant in (ana.tenant, ana.tenant, globex)
    ]
    answer = await api.post("/api/v1/auth/logout", {"everywhere": True}, token=sessions[0]["accessToken"])
    assert answer.status == 204
    for session in sessions:
        assert (await api.refresh(session["refreshToken"])).status == 401
        await api.refused(session["accessToken"])
    assert (await api.refresh(bob["refreshToken"])).status == 200


async def test_the_cookie_goes(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    login = await api.login("ana@example.com", more={"client": "browser"}, headers={"Origin": ORIGIN})
    headers = {"Origin": ORIGIN, "Cookie": f"dojo_refresh={login.cookies['dojo_refresh'].value}"}
    answer = await api.post("/api/v1/auth/logout", token=login.body["accessToken"], headers=headers)
    assert answer.status == 204
    cookie = answer.cookies["dojo_refresh"]
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", "0", "/api/v1/auth")
    assert (await api.post("/api/v1/auth/refresh", headers=headers)).status == 401


async def test_somebody_without_a_login_of_ours_signs_out_too(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    granted = await api.signed_in("ana@example.com")
    await api.everything.execute("UPDATE users SET identity_id = NULL")
    assert (await api.post("/api/v1/auth/logout", {"everywhere": True}, token=granted["accessToken"])).status == 204
    await api.refused(granted["accessToken"])
