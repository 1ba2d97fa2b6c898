from __future__ import annotations

from tests.edge.identity.accounts_api import PASSWORD, AccountsApi

PATH = "/api/v1/auth/password"
NEW = "a wholly different sentence"
CHANGE = {"currentPassword": PASSWORD, "newPassword": NEW}


async def test_all_other_sessions_end(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    globex = await api.member(ana)
    here, there, elsewhere = [
        await api.signed_in("ana@example.com", tenantId=str(tenant)) for tenant in (ana.tenant, ana.tenant, globex)
    ]
    assert (await api.post(PATH, CHANGE, token=here["accessToken"])).status == 204
    for other in (there, elsewhere):
        assert (await api.refresh(other["refreshToken"])).status == 401
        await api.refused(other["accessToken"])
    assert (await api.ask("GET", "/api/v1/users/me", token=here["accessToken"])).status == 200
    assert (await api.refresh(here["refreshToken"])).status == 200
    assert (await api.login("ana@example.com")).status == 401
    assert (await api.login("ana@example.com", NEW, more={"tenantId": str(globex)})).status == 200
    for tenant in (ana.tenant, globex):
        assert "user.password_changed" in await api.audited(tenant)


async def test_nothing_changes_without_the_right_password_and_a_good_new_one(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    token = (await api.signed_in("ana@example.com"))["accessToken"]
    wrong = await api.post(PATH, {**CHANGE, "currentPassword": NEW}, token=token)
    assert (wrong.status, wrong.code) == (403, "wrong_password")
    weak = await api.post(PATH, {**CHANGE, "newPassword": "Ana Souza 2026"}, token=token)
    assert (weak.status, weak.code) == (400, "weak_password")
    assert (await api.login("ana@example.com")).status == 200


async def test_guessing_is_slowed(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    token = (await api.signed_in("ana@example.com"))["accessToken"]
    answers = [await api.post(PATH, {**CHANGE, "currentPassword": "wrong"}, token=token) for _ in range(11)]
    assert [answer.status for answer in answers] == [403] * 10 + [429]
    assert (await api.post(PATH, CHANGE, token=token)).code == "too_many_attempts"


async def test_somebody_from_an_outside_provider_has_none(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    token = (await api.signed_in("ana@example.com"))["accessToken"]
    await api.everything.execute("UPDATE users SET identity_id = NULL")
    answer = await api.post(PATH, CHANGE, token=token)
    assert (answer.status, answer.code) == (409, "no_password")
