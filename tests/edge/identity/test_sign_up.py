from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from tests.edge.identity.accounts_api import PASSWORD, AccountsApi

ANA = {"email": " Ana@Example.COM", "password": PASSWORD, "fullName": " Ana  Souza ", "companyName": "Acme"}


async def test_the_first_of_a_company_is_its_admin(api: AccountsApi) -> None:
    answer = await api.post("/api/v1/users", {**ANA, "email": "Ana@Example.COM", "role": "guest"})
    assert answer.status == 201
    body = answer.body
    assert (body["email"], body["fullName"], body["companyName"], body["role"]) == (
        "ana@example.com",
        "Ana Souza",
        "Acme",
        "admin",
    )
    assert body["createdAt"].endswith(("Z", "+00:00"))
    assert await api.audited(UUID(body["tenantId"])) == ["tenant.founded", "user.signed_up"]
    (mail,) = await api.mails()
    assert mail.to == "ana@example.com"
    assert "https://dojo.example.com/#verify=" in mail.text
    assert PASSWORD not in str(await api.everything.fetch("SELECT * FROM identities"))


async def test_an_address_is_taken_once(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    answer = await api.post("/api/v1/users", {**ANA, "email": "ANA@example.com", "companyName": "Other"})
    assert (answer.status, answer.code) == (409, "email_taken")
    assert await api.everything.fetchval("SELECT count(*) FROM tenants") == 1


async def test_of_two_at_the_same_instant_one_comes_first(api: AccountsApi) -> None:
    body = {**ANA, "email": "ana@example.com"}
    answers = await asyncio.gather(
        *(api.post("/api/v1/users", {**body, "companyName": f"Company {n}"}, network=f"10.0.0.{n}") for n in range(5))
    )
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409]
    assert {answer.code for answer in answers if answer.status == 409} == {"email_taken"}
    for table in ("identities", "tenants", "users", "mail_outbox", "email_tokens"):
        assert await api.everything.fetchval(f"SELECT count(*) FROM {table}") == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"password": "short"}, "weak_password"),
        ({"password": "password1234"}, "weak_password"),
        ({"password": "a" * 257}, "weak_password"),
        ({"email": "ana.example.com"}, "invalid_body"),
        ({"email": 'a"b@example.com'}, "invalid_email"),
        ({"email": "İ" * 130 + "@example.com"}, "invalid_email"),
        ({"email": "ana\x00@example.com"}, "invalid_body"),
        ({"fullName": "   "}, "invalid_name"),
        ({"fullName": "x" * 101}, "invalid_body"),
        ({"companyName": "\t"}, "invalid_body"),
        ({"companyName": None}, "company_name_missing"),
        ({"admin": True}, "invalid_body"),
        ({"password": 12345678901}, "invalid_body"),
        ({"invitationToken": "nobody knows it"}, "invalid_invitation"),
    ],
)
async def test_what_is_wrong_is_told_and_nothing_is_written(
    api: AccountsApi, change: dict[str, object], code: str
) -> None:
    answer = await api.post("/api/v1/users", {**ANA, "email": "ana@example.com", **change})
    assert (answer.status, answer.code) == (400, code)
    assert PASSWORD not in str(answer.body)
    for table in ("identities", "tenants", "users", "mail_outbox", "email_tokens"):
        assert await api.everything.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_an_invited_person_joins_with_the_invited_role(api: AccountsApi) -> None:
    admin = await api.sign_up("admin@example.com")
    token = await api.invite(admin.tenant, "ana@example.com", "host")
    body = {**ANA, "email": "ana@example.com", "invitationToken": token, "companyName": "ignored", "role": "admin"}
    answer = await api.post("/api/v1/users", body)
    assert answer.status == 201
    assert (answer.body["tenantId"], answer.body["role"], answer.body["companyName"]) == (
        str(admin.tenant),
        "host",
        "Acme",
    )
    assert len(await api.mails()) == 1  # the admin's: the invitation has proven the address
    granted = await api.signed_in("ana@example.com")
    me = await api.ask("GET", "/api/v1/users/me", token=granted["accessToken"])
    assert (me.body["role"], me.body["emailVerified"]) == ("host", True)
    again = await api.post("/api/v1/users", {**body, "email": "bob@example.com"})
    assert (again.status, again.code) == (400, "invalid_invitation")


async def test_an_invitation_is_for_its_address_only(api: AccountsApi) -> None:
    admin = await api.sign_up("admin@example.com")
    token = await api.invite(admin.tenant, "ana@example.com")
    answer = await api.post("/api/v1/users", {**ANA, "email": "eve@example.com", "invitationToken": token})
    assert (answer.status, answer.code) == (400, "invalid_invitation")
    assert await api.everything.fetchval("SELECT count(*) FROM identities") == 1


async def test_somebody_who_has_an_account_joins_with_its_password(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    admin = await api.sign_up("admin@example.com")
    token = await api.invite(admin.tenant, "ana@example.com", "member")
    body = {**ANA, "email": "ana@example.com", "invitationToken": token, "companyName": None}
    wrong = await api.post("/api/v1/users", {**body, "password": "some other password"})
    assert (wrong.status, wrong.code) == (409, "email_taken")
    right = await api.post("/api/v1/users", body)
    assert (right.status, right.body["role"]) == (201, "member")
    assert (await api.login("ana@example.com")).code == "choose_tenant"


async def test_sign_ups_are_limited_by_address_and_by_network(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    body = {**ANA, "email": "ana@example.com"}
    answers = [await api.post("/api/v1/users", body, network=f"203.0.113.{n}") for n in range(5)]
    assert [answer.status for answer in answers] == [409, 409, 409, 409, 429]
    assert answers[-1].code == "too_many_attempts"
    assert 600 < int(answers[-1].headers["Retry-After"]) <= 720
    weak = {**ANA, "password": "short"}
    statuses = [
        (await api.post("/api/v1/users", {**weak, "email": f"n{n}@example.com"}, network="203.0.113.99")).status
        for n in range(21)
    ]
    assert statuses == [400] * 20 + [429]
