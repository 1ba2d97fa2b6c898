from __future__ import annotations

import pytest

from tests.edge.identity.accounts_api import AccountsApi

PATH = "/api/v1/users/me"


async def test_who_one_is(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    globex = await api.member(ana)
    token = (await api.signed_in("ana@example.com", tenantId=str(ana.tenant)))["accessToken"]
    me = (await api.ask("GET", PATH, token=token)).body
    assert me.pop("createdAt") < me.pop("lastLoginAt")
    assert me == {
        "userId": str(ana.user),
        "tenantId": str(ana.tenant),
        "email": "ana@example.com",
        "emailVerified": False,
        "fullName": "Ana Souza",
        "companyName": "Acme",
        "role": "admin",
    }
    token = (await api.signed_in("ana@example.com", tenantId=str(globex)))["accessToken"]
    there = (await api.ask("GET", PATH, token=token)).body
    assert (there["companyName"], there["role"], there["userId"] != str(ana.user)) == ("Globex", "member", True)
    assert (await api.ask("GET", PATH)).status == 401


async def test_a_new_name_shows_at_once_and_in_the_next_token(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    granted = await api.signed_in("ana@example.com")
    token = granted["accessToken"]
    answer = await api.ask("PATCH", PATH, {"fullName": "  Ana  Lima "}, token=token)
    assert (answer.status, answer.body["fullName"]) == (200, "Ana Lima")
    assert (await api.authority.access(token)).name == "Ana Souza"
    refreshed = (await api.refresh(granted["refreshToken"])).body
    assert (await api.authority.access(refreshed["accessToken"])).name == "Ana Lima"
    assert "user.renamed" in await api.audited(ana.tenant)
    nothing = await api.ask("PATCH", PATH, {}, token=token)
    assert (nothing.status, nothing.body["fullName"]) == (200, "Ana Lima")


@pytest.mark.parametrize(
    "body",
    [
        {"fullName": ""},
        {"fullName": "  "},
        {"fullName": None},
        {"fullName": "x" * 101},
        {"role": "admin"},
        {"email": "a@b"},
    ],
)
async def test_what_cannot_be_changed_is_refused(api: AccountsApi, body: dict[str, object]) -> None:
    await api.sign_up("ana@example.com")
    token = (await api.signed_in("ana@example.com"))["accessToken"]
    answer = await api.ask("PATCH", PATH, body, token=token)
    assert answer.status == 400
    assert (await api.ask("GET", PATH, token=token)).body["fullName"] == "Ana Souza"
