from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime, timedelta

import pytest

from tests.edge.identity.accounts_api import PASSWORD
from tests.edge.identity.company import CompanyApi
from tests.edge.identity.foundation import BASE_URL

PATH = "/api/v1/invitations"
ACCEPT = f"{PATH}/accept"


async def test_an_invitation_is_mailed_and_only_its_hash_is_kept(company: CompanyApi) -> None:
    admin = await company.founder()
    answer = await company.post(PATH, {"email": " Ana@Example.COM".strip(), "role": "host"}, token=admin.access)
    assert answer.status == 201
    body = answer.body
    assert (body["email"], body["role"], body["status"], body["invitedBy"]) == (
        "ana@example.com",
        "host",
        "PENDING",
        str(admin.user),
    )
    valid = datetime.fromisoformat(body["expiresAt"]) - datetime.fromisoformat(body["createdAt"])
    assert valid == timedelta(days=7)
    mail = (await company.mails())[-1]
    token = await company.mailed_token()
    assert mail.to == "ana@example.com"
    assert "Acme" in mail.text
    assert f"{BASE_URL}/#invite={token}" in mail.text
    assert len(token) >= 43
    assert token not in str(body)
    assert await company.mentions(token) == []
    stored = await company.everything.fetchval("SELECT token_hash FROM invitations")
    assert stored == hashlib.sha256(token.encode()).digest()
    assert (await company.audited(admin.tenant))[-1] == "invitation.created"
    assert "ana@example.com" not in str(await company.everything.fetch("SELECT * FROM audit_log"))


async def test_the_answer_does_not_tell_whether_somebody_has_an_account(company: CompanyApi) -> None:
    admin = await company.founder()
    await company.founder("known@example.com", "Globex")
    known = await company.post(PATH, {"email": "known@example.com"}, token=admin.access)
    unknown = await company.post(PATH, {"email": "nobody@example.com"}, token=admin.access)
    assert known.status == unknown.status == 201
    told = {"invitationId", "email", "createdAt", "expiresAt"}
    assert {k: v for k, v in known.body.items() if k not in told} == {
        k: v for k, v in unknown.body.items() if k not in told
    }


async def test_a_member_is_not_invited(company: CompanyApi) -> None:
    admin = await company.founder()
    answer = await company.post(PATH, {"email": "ADMIN@example.com"}, token=admin.access)
    assert (answer.status, answer.code) == (409, "already_member")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"email": "nobody"}, "invalid_body"),
        ({"email": "a<b@example.com"}, "invalid_email"),
        ({"email": "İ" * 130 + "@example.com"}, "invalid_email"),
        ({"email": "a@b.example", "role": "owner"}, "invalid_body"),
        ({"email": "a@b.example", "tenantId": "x"}, "invalid_body"),
        ({}, "invalid_body"),
    ],
)
async def test_what_makes_no_sense_invites_nobody(company: CompanyApi, body: dict[str, str], code: str) -> None:
    admin = await company.founder()
    answer = await company.post(PATH, body, token=admin.access)
    assert (answer.status, answer.code) == (400, code)
    assert await company.rows("invitations", admin.tenant) == 0


async def test_only_administrators_invite(company: CompanyApi) -> None:
    admin = await company.founder()
    host = await company.join(admin, "host@example.com", "host")
    assert (await company.post(PATH, {"email": "a@b.example"}, token=host.access)).status == 403
    assert (await company.get(PATH, host)).status == 403


async def test_a_repeated_request_invites_once(company: CompanyApi) -> None:
    admin = await company.founder()
    before = len(await company.mails())

    async def invite(email: str) -> int:
        headers = {"Idempotency-Key": "k1"}
        return (await company.post(PATH, {"email": email}, token=admin.access, headers=headers)).status

    assert [await invite("ana@example.com"), await invite("ana@example.com")] == [201, 201]
    assert len(await company.mails()) == before + 1
    assert await invite("bia@example.com") == 422


async def test_a_new_invitation_replaces_the_open_one(company: CompanyApi) -> None:
    admin = await company.founder()
    old = await company.invited(admin, "ana@example.com", "admin")
    await company.invited(admin, "ana@example.com", "guest")
    listed = (await company.get(f"{PATH}?sortOrder=asc", admin)).body["items"]
    assert [item["status"] for item in listed] == ["REVOKED", "PENDING"]
    body = {"email": "ana@example.com", "password": PASSWORD, "fullName": "Ana", "invitationToken": old}
    assert (await company.post("/api/v1/users", body)).code == "invalid_invitation"


async def test_seats_are_limited_and_open_invitations_hold_one(company: CompanyApi) -> None:
    admin = await company.founder()
    await company.everything.execute("UPDATE tenants SET max_users = 3")
    await company.join(admin, "ana@example.com")
    await company.invited(admin, "bia@example.com")
    answer = await company.post(PATH, {"email": "caio@example.com"}, token=admin.access)
    assert (answer.status, answer.code) == (409, "quota_exceeded")
    again = await company.post(PATH, {"email": "bia@example.com"}, token=admin.access)
    assert again.status == 201
    seats = (await company.get("/api/v1/tenant", admin)).body
    assert (seats["seatsTaken"], seats["maxUsers"]) == (3, 3)
    assert (await company.ask("DELETE", f"{PATH}/{again.body['invitationId']}", token=admin.access)).status == 204
    await company.invited(admin, "caio@example.com")


async def test_invitations_at_the_same_instant_do_not_share_the_last_seat(company: CompanyApi) -> None:
    admin = await company.founder()
    await company.everything.execute("UPDATE tenants SET max_users = 2")
    answers = await asyncio.gather(
        *(company.post(PATH, {"email": f"p{n}@example.com"}, token=admin.access) for n in range(6))
    )
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409, 409]


async def test_mails_to_one_address_are_limited(company: CompanyApi) -> None:
    admin = await company.founder()
    answers = [await company.post(PATH, {"email": "ana@example.com"}, token=admin.access) for _ in range(6)]
    assert [answer.status for answer in answers] == [201] * 5 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert (await company.post(PATH, {"email": "bia@example.com"}, token=admin.access)).status == 201


async def test_a_revoked_invitation_is_no_good(company: CompanyApi) -> None:
    admin = await company.founder()
    token = await company.invited(admin, "ana@example.com")
    (item,) = (await company.get(f"{PATH}?status=PENDING", admin)).body["items"]
    path = f"{PATH}/{item['invitationId']}"
    assert (await company.ask("DELETE", path, token=admin.access)).status == 204
    assert (await company.ask("DELETE", path, token=admin.access)).status == 204
    assert (await company.get(f"{PATH}?status=PENDING", admin)).body["items"] == []
    body = {"email": "ana@example.com", "password": PASSWORD, "fullName": "Ana", "invitationToken": token}
    assert (await company.post("/api/v1/users", body)).code == "invalid_invitation"
    assert (await company.audited(admin.tenant)).count("invitation.revoked") == 1


async def test_an_accepted_invitation_cannot_be_revoked(company: CompanyApi) -> None:
    admin = await company.founder()
    await company.join(admin, "ana@example.com")
    (item,) = (await company.get(PATH, admin)).body["items"]
    assert item["status"] == "ACCEPTED"
    answer = await company.ask("DELETE", f"{PATH}/{item['invitationId']}", token=admin.access)
    assert (answer.status, answer.code) == (409, "already_accepted")


async def test_another_companys_invitation_is_not_found(company: CompanyApi) -> None:
    admin, other = await company.founder(), await company.founder("boss@example.com", "Globex")
    await company.invited(other, "ana@example.com")
    (item,) = (await company.get(PATH, other)).body["items"]
    answer = await company.ask("DELETE", f"{PATH}/{item['invitationId']}", token=admin.access)
    assert (answer.status, answer.code) == (404, "not_found")
    assert (await company.get(PATH, admin)).body["items"] == []
    assert (await company.get(PATH, other)).body["items"] == [item]


async def test_somebody_joins_a_second_company(company: CompanyApi) -> None:
    acme, globex = await company.founder(), await company.founder("boss@example.com", "Globex")
    token = await company.invited(globex, "admin@example.com", "host")
    joined = await company.post(ACCEPT, {"token": token}, token=acme.access)
    assert (joined.status, joined.body["tenantId"]) == (201, str(globex.tenant))
    assert joined.body["userId"] != str(acme.user)
    there = await company.someone("admin@example.com", globex.tenant)
    assert (await company.get("/api/v1/users/me", there)).body["role"] == "host"
    assert (await company.get("/api/v1/users/me", acme)).body["role"] == "admin"
    again = await company.post(ACCEPT, {"token": token}, token=acme.access)
    assert (again.status, again.code) == (400, "invalid_invitation")
    assert "invitation.accepted" in await company.audited(globex.tenant)


async def test_an_invitation_is_used_once_also_at_the_same_instant(company: CompanyApi) -> None:
    acme, globex = await company.founder(), await company.founder("boss@example.com", "Globex")
    token = await company.invited(globex, "admin@example.com")
    answers = await asyncio.gather(*(company.post(ACCEPT, {"token": token}, token=acme.access) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 400, 400, 400]


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE invitations SET expires_at = now() - interval '1 second'",
        "UPDATE invitations SET revoked_at = now()",
        "UPDATE invitations SET accepted_at = now()",
        "UPDATE invitations SET email = 'somebody@else.example'",
        "UPDATE tenants SET status = 'SUSPENDED' WHERE name = 'Globex'",
        "UPDATE tenants SET status = 'ERASING' WHERE name = 'Globex'",
    ],
)
async def test_every_other_invitation_is_refused_alike(company: CompanyApi, spoil: str) -> None:
    acme, globex = await company.founder(), await company.founder("boss@example.com", "Globex")
    token = await company.invited(globex, "admin@example.com")
    await company.everything.execute(spoil)
    answer = await company.post(ACCEPT, {"token": token}, token=acme.access)
    unknown = await company.post(ACCEPT, {"token": "nobody knows it"}, token=acme.access)
    assert answer.status == unknown.status == 400
    assert answer.body == unknown.body
    assert await company.rows("users", globex.tenant) == 1


async def test_a_member_does_not_join_twice(company: CompanyApi) -> None:
    acme, globex = await company.founder(), await company.founder("boss@example.com", "Globex")
    first = await company.invited(globex, "admin@example.com")
    await company.post(ACCEPT, {"token": first}, token=acme.access)
    await company.everything.execute("UPDATE users SET email = NULL WHERE tenant_id = $1", globex.tenant)
    second = await company.invited(globex, "admin@example.com")
    answer = await company.post(ACCEPT, {"token": second}, token=acme.access)
    assert (answer.status, answer.code) == (409, "already_member")


async def test_the_address_must_be_proven_to_join(company: CompanyApi) -> None:
    acme, globex = await company.founder(), await company.founder("boss@example.com", "Globex")
    token = await company.invited(globex, "admin@example.com")
    await company.everything.execute("UPDATE identities SET email_verified_at = NULL")
    answer = await company.post(ACCEPT, {"token": token}, token=acme.access)
    assert (answer.status, answer.code) == (403, "email_not_verified")
    otto = await company.outsider(acme)
    answer = await company.post(ACCEPT, {"token": token}, token=otto.access)
    assert (answer.status, answer.code) == (403, "email_not_verified")
