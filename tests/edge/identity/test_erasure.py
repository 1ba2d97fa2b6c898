from __future__ import annotations

import asyncio

from edge.identity.erasure import REMOVED_EMAIL, REMOVED_NAME
from tests.edge.identity.accounts_api import PASSWORD
from tests.edge.identity.company import CompanyApi

ME = "/api/v1/users/me"


async def test_who_is_removed_is_out_and_nothing_says_who_they_were(company: CompanyApi) -> None:
    admin = await company.founder()
    ana = await company.join(admin, "ana.maria@example.com", "member", "Ana Maria Xavier")
    await company.everything.execute("DELETE FROM mail_outbox")
    assert (await company.ask("DELETE", f"/api/v1/users/{ana.user}", token=admin.access)).status == 204
    await company.refused(ana.access)
    assert (await company.refresh(ana.refresh)).status == 401
    login = await company.login(ana.email)
    assert (login.status, login.code) == (401, "invalid_credentials")
    for text in ("ana.maria", "Xavier"):
        assert await company.mentions(text) == []
    sessions = await company.everything.fetch("SELECT * FROM sessions WHERE user_id = $1", ana.user)
    assert sessions
    assert all(row["user_agent"] is None and row["network"] is None and row["revoked_at"] for row in sessions)
    seen = (await company.get(f"/api/v1/users/{ana.user}", admin)).body
    assert (seen["fullName"], seen["email"], seen["status"]) == (REMOVED_NAME, None, "REMOVED")
    listed = (await company.get("/api/v1/users", admin)).body["items"]
    assert [item["userId"] for item in listed] == [str(admin.user)]
    removed = (await company.get("/api/v1/users?status=REMOVED", admin)).body["items"]
    assert [item["userId"] for item in removed] == [str(ana.user)]
    assert "user.removed" in await company.audited(admin.tenant)


async def test_removing_somebody_twice_finds_nobody(company: CompanyApi) -> None:
    admin = await company.founder()
    ana = await company.join(admin, "ana@example.com")
    path = f"/api/v1/users/{ana.user}"
    assert (await company.ask("DELETE", path, token=admin.access)).status == 204
    assert (await company.ask("DELETE", path, token=admin.access)).status == 404
    answer = await company.ask("PATCH", path, {"role": "admin"}, token=admin.access)
    assert (answer.status, answer.code) == (404, "not_found")


async def test_the_address_can_be_used_again_and_by_invitation_too(company: CompanyApi) -> None:
    admin = await company.founder()
    ana = await company.join(admin, "ana@example.com")
    await company.ask("DELETE", f"/api/v1/users/{ana.user}", token=admin.access)
    again = await company.join(admin, "ana@example.com")
    assert again.user != ana.user
    listed = (await company.get("/api/v1/invitations?sortOrder=asc", admin)).body["items"]
    assert [item["email"] for item in listed] == [REMOVED_EMAIL, "ana@example.com"]


async def test_a_removed_persons_open_invitation_does_not_bring_them_back(company: CompanyApi) -> None:
    admin = await company.founder()
    ana = await company.join(admin, "ana@example.com")
    await company.everything.execute("UPDATE users SET email = NULL WHERE user_id = $1", ana.user)
    token = await company.invited(admin, "ana@example.com")
    await company.everything.execute("UPDATE users SET email = 'ana@example.com' WHERE user_id = $1", ana.user)
    await company.ask("DELETE", f"/api/v1/users/{ana.user}", token=admin.access)
    body = {"email": ana.email, "password": PASSWORD, "fullName": "Ana", "invitationToken": token}
    assert (await company.post("/api/v1/users", body)).code == "invalid_invitation"


async def test_who_leaves_one_company_stays_in_the_other(company: CompanyApi) -> None:
    acme, globex = await company.founder(), await company.founder("boss@example.com", "Globex")
    ana = await company.join(acme, "ana@example.com")
    token = await company.invited(globex, "ana@example.com")
    joined = await company.post("/api/v1/invitations/accept", {"token": token}, token=ana.access)
    assert joined.status == 201
    there = await company.someone("ana@example.com", globex.tenant)
    assert (await company.ask("DELETE", ME, {"password": PASSWORD}, token=ana.access)).status == 204
    await company.refused(ana.access)
    assert (await company.get(ME, there)).body["email"] == "ana@example.com"
    assert (await company.refresh(there.refresh)).status == 200
    assert (await company.login(ana.email)).body["tenantId"] == str(globex.tenant)
    assert (await company.ask("DELETE", ME, {"password": PASSWORD}, token=there.access)).status == 204
    assert (await company.login(ana.email)).status == 401
    assert await company.everything.fetchval("SELECT count(*) FROM identities WHERE email = $1", ana.email) == 0


async def test_who_leaves_two_companies_at_the_same_instant_leaves_no_login_behind(company: CompanyApi) -> None:
    acme, globex = await company.founder(), await company.founder("boss@example.com", "Globex")
    ana = await company.join(acme, "ana@example.com")
    token = await company.invited(globex, "ana@example.com")
    await company.post("/api/v1/invitations/accept", {"token": token}, token=ana.access)
    there = await company.someone("ana@example.com", globex.tenant)
    answers = await asyncio.gather(
        company.ask("DELETE", f"/api/v1/users/{ana.user}", token=acme.access),
        company.ask("DELETE", f"/api/v1/users/{there.user}", token=globex.access),
    )
    assert [answer.status for answer in answers] == [204, 204]
    assert await company.everything.fetchval("SELECT count(*) FROM identities WHERE email = $1", ana.email) == 0


async def test_leaving_takes_the_password(company: CompanyApi) -> None:
    admin = await company.founder()
    ana = await company.join(admin, "ana@example.com")
    for body in ({"password": "not the password"}, {}, {"password": None}):
        answer = await company.ask("DELETE", ME, body, token=ana.access)
        assert (answer.status, answer.code) == (403, "wrong_password")
    assert (await company.get(ME, ana)).status == 200
    assert (await company.ask("DELETE", ME, {"password": PASSWORD}, token=ana.access)).status == 204
    await company.refused(ana.access)


async def test_people_of_an_identity_provider_leave_without_one(company: CompanyApi) -> None:
    admin = await company.founder()
    otto = await company.outsider(admin)
    assert (await company.ask("DELETE", ME, {}, token=otto.access)).status == 204
    await company.refused(otto.access)
    assert await company.rows("external_identities", admin.tenant) == 0
    assert await company.mentions("Otto") == []


async def test_whom_an_administrator_removed_is_known_to_the_identity_provider_only(company: CompanyApi) -> None:
    admin = await company.founder()
    otto = await company.outsider(admin)
    assert (await company.ask("DELETE", f"/api/v1/users/{otto.user}", token=admin.access)).status == 204
    await company.refused(otto.access)
    kept = await company.everything.fetch("SELECT user_id, subject FROM external_identities")
    assert [(row["user_id"], row["subject"]) for row in kept] == [(otto.user, "s1")]
    assert await company.mentions("Otto") == []
