from __future__ import annotations

from uuid import uuid4

from tests.edge.identity.accounts_api import ORIGIN, AccountsApi

PATH = "/api/v1/auth/sessions"


async def test_one_sees_where_one_is_signed_in(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    await api.sign_up("bob@example.com")
    await api.signed_in("bob@example.com")
    phone = await api.login("ana@example.com", network="203.0.113.5", headers={"User-Agent": "Dojo/1 (phone)"})
    await api.login("ana@example.com", more={"client": "browser"}, headers={"Origin": ORIGIN})
    gone = await api.signed_in("ana@example.com")
    await api.post("/api/v1/auth/logout", token=gone["accessToken"])
    idle = await api.signed_in("ana@example.com")
    await api.everything.execute(
        "UPDATE sessions SET last_used_at = now() - interval '31 days'"
        " WHERE created_at = (SELECT max(created_at) FROM sessions)"
    )
    answer = await api.ask("GET", PATH, token=phone.body["accessToken"])
    assert answer.status == 200
    assert answer.body["pagination"] == {"page": 1, "pageSize": 20, "totalItems": 2, "totalPages": 1}
    browser, mine = answer.body["items"]
    assert (browser["client"], browser["current"]) == ("browser", False)
    assert (mine["client"], mine["current"]) == ("native", True)
    assert (mine["userAgent"], mine["network"]) == ("Dojo/1 (phone)", "203.0.113.5")
    assert "rt_" not in str(answer.body)
    assert idle["refreshToken"] not in str(answer.body)


async def test_the_list_has_pages(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    for _ in range(2):
        await api.signed_in("ana@example.com")
    token = (await api.signed_in("ana@example.com"))["accessToken"]
    answer = await api.ask("GET", f"{PATH}?page=2&pageSize=2&sortOrder=asc", token=token)
    assert answer.body["pagination"] == {"page": 2, "pageSize": 2, "totalItems": 3, "totalPages": 2}
    assert [item["current"] for item in answer.body["items"]] == [True]
    beyond = await api.ask("GET", f"{PATH}?page=9", token=token)
    assert (beyond.body["items"], beyond.body["pagination"]["totalItems"]) == ([], 3)


async def test_one_of_ones_own_can_be_ended(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    here, there = await api.signed_in("ana@example.com"), await api.signed_in("ana@example.com")
    items = (await api.ask("GET", PATH, token=here["accessToken"])).body["items"]
    (other,) = [item["sessionId"] for item in items if not item["current"]]
    for _ in range(2):  # a repetition changes nothing
        assert (await api.ask("DELETE", f"{PATH}/{other}", token=here["accessToken"])).status == 204
    assert (await api.refresh(there["refreshToken"])).status == 401
    await api.refused(there["accessToken"])
    assert await api.everything.fetchval("SELECT count(*) FROM revocations") == 1


async def test_somebody_elses_is_not_there(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    await api.sign_up("bob@example.com")
    token = await api.invite(ana.tenant, "eve@example.com", "admin")
    await api.sign_up("eve@example.com", invitationToken=token)
    mine = await api.signed_in("ana@example.com")
    session = await api.everything.fetchval("SELECT session_id FROM sessions")
    for email in ("bob@example.com", "eve@example.com"):
        granted = await api.signed_in(email)
        theirs = await api.ask("DELETE", f"{PATH}/{session}", token=granted["accessToken"])
        nobodys = await api.ask("DELETE", f"{PATH}/{uuid4()}", token=granted["accessToken"])
        assert (theirs.status, theirs.body) == (404, nobodys.body)
    assert (await api.refresh(mine["refreshToken"])).status == 200


async def test_a_ticket_opens_one_socket(api: AccountsApi) -> None:
    ana = await api.sign_up("ana@example.com")
    granted = await api.signed_in("ana@example.com")
    answer = await api.post("/api/v1/auth/tickets", None, token=granted["accessToken"])
    assert (answer.status, answer.body["expiresIn"]) == (201, 30)
    assert answer.headers["Cache-Control"] == "no-store"
    access = await api.authority.access(granted["accessToken"])
    claims = await api.authority.ticket(answer.body["ticket"])
    assert (claims.tid, claims.sub, claims.sid, claims.until) == (ana.tenant, ana.user, access.sid, access.exp)
    assert (claims.role, claims.name) == ("admin", "Ana Souza")
    assert (await api.ask("GET", "/api/v1/users/me", token=answer.body["ticket"])).status == 401
    assert (await api.post("/api/v1/auth/tickets")).status == 401


async def test_an_ended_session_gets_no_ticket_though_its_end_was_not_heard_of_yet(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    token = (await api.signed_in("ana@example.com"))["accessToken"]
    # Nobody rings the bell: processes look by themselves only every few seconds.
    await api.everything.execute("UPDATE sessions SET revoked_at = now()")
    refused = await api.post("/api/v1/auth/tickets", None, token=token)
    assert (refused.status, refused.code) == (401, "invalid_token")


async def test_the_keys_that_sign_are_published(api: AccountsApi) -> None:
    await api.sign_up("ana@example.com")
    answer = await api.ask("GET", "/.well-known/jwks.json")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    (key,) = answer.body["keys"]
    assert set(key) == {"kid", "x", "kty", "crv", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")
