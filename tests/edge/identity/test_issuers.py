"""Administrators register the outside issuers whose people may come in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from redis.asyncio import Redis

from edge.identity.issuers import CHECKS_AT_ONCE, MOST, PER_TENANT
from edge.identity.oidc.settings import OperatorIssuer
from tests.conftest import Database
from tests.edge.identity.accounts_api import until
from tests.edge.identity.oidc.authority import Authority as Certificates
from tests.edge.identity.oidc.issuer import CLIENT, LocalIssuer
from tests.edge.identity.outside_api import ISSUERS, OutsideApi, serving_outside


@pytest.fixture
async def api(database: Database, redis: Redis, certificates: Certificates) -> AsyncIterator[OutsideApi]:
    async with serving_outside(database, redis, certificates) as api:
        yield api


async def test_register_list_and_remove(api: OutsideApi, issuer: LocalIssuer) -> None:
    acme = await api.company()
    made = await api.register(acme, issuer.url, defaultRole="guest")
    assert made.status == 201
    body = made.body
    assert (body["issuer"], body["clientId"], body["defaultRole"]) == (issuer.url, CLIENT, "guest")
    assert (await api.register(acme, issuer.url, "another")).body["defaultRole"] == "member"
    listed = await api.ask("GET", f"{ISSUERS}?sortBy=createdAt&sortOrder=asc&pageSize=1", token=acme.token)
    assert listed.body["items"] == [body]
    assert listed.body["pagination"] == {"page": 1, "pageSize": 1, "totalItems": 2, "totalPages": 2}
    assert (await api.ask("DELETE", f"{ISSUERS}/{body['issuerId']}", token=acme.token)).status == 204
    again = await api.ask("DELETE", f"{ISSUERS}/{body['issuerId']}", token=acme.token)
    assert (again.status, again.code) == (404, "not_found")
    assert [item["clientId"] for item in (await api.ask("GET", ISSUERS, token=acme.token)).body["items"]] == ["another"]
    rows = await api.everything.fetch("SELECT * FROM audit_log WHERE action LIKE 'issuer.%' ORDER BY at")
    assert [row["action"] for row in rows] == ["issuer.registered", "issuer.registered", "issuer.removed"]
    assert {(row["tenant_id"], row["actor_id"]) for row in rows} == {(acme.tenant, acme.admin.user)}
    assert rows[0]["target_id"] == rows[2]["target_id"] == UUID(body["issuerId"])


async def test_a_pair_belongs_to_one_company(api: OutsideApi, issuer: LocalIssuer) -> None:
    acme, globex = await api.company("acme"), await api.company("globex")
    issuer_id = (await api.register(acme, issuer.url)).body["issuerId"]
    for company in (acme, globex):
        taken = await api.register(company, issuer.url)
        assert (taken.status, taken.code) == (409, "issuer_taken")
    assert (await api.register(globex, issuer.url, "another")).status == 201
    foreign = await api.ask("DELETE", f"{ISSUERS}/{issuer_id}", token=globex.token)
    missing = await api.ask("DELETE", f"{ISSUERS}/{uuid4()}", token=globex.token)
    assert (foreign.status, foreign.body) == (404, missing.body)
    listed = await api.ask("GET", ISSUERS, token=globex.token)
    assert [item["clientId"] for item in listed.body["items"]] == ["another"]
    await api.ask("DELETE", f"{ISSUERS}/{issuer_id}", token=acme.token)
    assert (await api.register(globex, issuer.url)).status == 201


async def test_of_two_companies_at_the_same_instant_one_has_it(api: OutsideApi, issuer: LocalIssuer) -> None:
    acme, globex = await api.company("acme"), await api.company("globex")
    answers = await asyncio.gather(api.register(acme, issuer.url), api.register(globex, issuer.url))
    assert sorted(answer.status for answer in answers) == [201, 409]
    assert await api.everything.fetchval("SELECT count(*) FROM issuers") == 1


async def test_what_the_operator_configured_no_company_can_have(
    database: Database, redis: Redis, certificates: Certificates, issuer: LocalIssuer
) -> None:
    configured = OperatorIssuer(issuer=issuer.url, client_ids=(CLIENT,), tenant_claim="tenant")
    async with serving_outside(database, redis, certificates, configured) as api:
        acme = await api.company()
        assert (await api.register(acme, issuer.url)).code == "issuer_taken"
        assert not issuer.requests
        assert (await api.register(acme, issuer.url, "another")).status == 201


async def test_what_is_no_issuer(api: OutsideApi, issuer: LocalIssuer) -> None:
    acme = await api.company()
    for text, code in (
        ("http://localhost", "invalid_issuer"),
        ("https://user:secret@localhost", "invalid_issuer"),
        ("https://localhost/?a=b", "invalid_issuer"),
        ("https://LOCALHOST", "invalid_issuer"),
        ("https://lócalhost", "invalid_body"),
        ("https://localhost\n", "invalid_body"),
        ("", "invalid_body"),
        ("https://" + "a" * 250, "invalid_body"),
    ):
        answer = await api.register(acme, text)
        assert (answer.status, answer.code) == (400, code), text
        assert "secret" not in str(answer.body)
    for client_id in ("", "a\nb", "x" * 256):
        answer = await api.register(acme, issuer.url, client_id)
        assert (answer.status, answer.code) == (400, "invalid_body")
    for more in ({"defaultRole": "admin"}, {"x": 1}):
        answer = await api.register(acme, issuer.url, **more)
        assert (answer.status, answer.code) == (400, "invalid_body")
    assert not issuer.requests


async def test_an_issuer_must_show_itself(api: OutsideApi, issuer: LocalIssuer) -> None:
    acme = await api.company()
    issuer.discovery["issuer"] = "https://other.example"
    answer = await api.register(acme, issuer.url)
    assert (answer.status, answer.code, answer.body["reason"]) == (400, "issuer_unusable", "other_issuer")
    nobody = issuer.url.replace("localhost", "nobody.invalid")
    answer = await api.register(acme, nobody)
    assert (answer.status, answer.code, answer.body["reason"]) == (400, "issuer_unusable", "does_not_answer")
    assert await api.everything.fetchval("SELECT count(*) FROM issuers") == 0


async def test_a_private_address_is_answered_like_none(
    database: Database, redis: Redis, certificates: Certificates, issuer: LocalIssuer
) -> None:
    async with serving_outside(database, redis, certificates, tenant_networks=()) as api:
        acme = await api.company()
        inside = await api.register(acme, issuer.url)
        nothing = await api.register(acme, "https://nobody.invalid")
        assert (inside.status, inside.body) == (400, nothing.body)
    assert not issuer.requests


async def test_slow_issuers_keep_nobody_waiting(api: OutsideApi, issuer: LocalIssuer) -> None:
    """Each waits with a database connection."""
    asked, answer_now = asyncio.Semaphore(0), asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        asked.release()
        await answer_now.wait()
        del issuer.handlers[request.path]
        return await issuer.answer(request)

    acme = await api.company()
    path = "/.well-known/openid-configuration"
    others = [f"{issuer.url}/{n}" for n in range(CHECKS_AT_ONCE)]
    for n in range(CHECKS_AT_ONCE):
        issuer.handlers[f"/{n}{path}"] = slow
    waiting = [asyncio.create_task(api.register(acme, other)) for other in others]
    async with asyncio.timeout(3):
        for _ in waiting:
            await asked.acquire()
    refused = await api.register(acme, issuer.url)
    assert (refused.status, refused.code) == (503, "busy")
    assert "Retry-After" in refused.headers
    answer_now.set()
    assert {(await task).body["reason"] for task in waiting} == {"other_issuer"}
    assert (await api.register(acme, issuer.url)).status == 201


async def test_a_company_has_so_many(api: OutsideApi, issuer: LocalIssuer) -> None:
    acme = await api.company()
    await api.everything.execute(
        "INSERT INTO issuers (tenant_id, issuer, client_id) SELECT $1, 'https://i.example', n::text"
        " FROM generate_series(2, $2::int) n",
        acme.tenant,
        MOST,
    )
    answers = await asyncio.gather(api.register(acme, issuer.url, "a"), api.register(acme, issuer.url, "b"))
    assert sorted((answer.status, answer.body.get("code")) for answer in answers) == [
        (201, None),
        (409, "quota_exceeded"),
    ]


async def test_checks_are_limited(api: OutsideApi) -> None:
    acme = await api.company()
    answers = [await api.register(acme, "http://x") for _ in range(int(PER_TENANT.capacity) + 1)]
    assert {answer.status for answer in answers[:-1]} == {400}
    assert (answers[-1].status, answers[-1].code) == (429, "too_many_requests")
    assert "Retry-After" in answers[-1].headers


async def test_a_repeated_request_registers_once(api: OutsideApi, issuer: LocalIssuer) -> None:
    acme = await api.company()
    body = {"issuer": issuer.url, "clientId": CLIENT}
    key = {"Idempotency-Key": "once"}
    first, second = [await api.post(ISSUERS, body, token=acme.token, headers=key) for _ in range(2)]
    assert (first.status, second.status, second.body) == (201, 201, first.body)
    assert await api.everything.fetchval("SELECT count(*) FROM audit_log WHERE action = 'issuer.registered'") == 1


async def test_only_administrators(api: OutsideApi, issuer: LocalIssuer) -> None:
    acme = await api.company()
    for role in ("host", "member", "guest"):
        await api.everything.execute("UPDATE users SET role = $1", role)
        token = (await api.signed_in(acme.admin.email))["accessToken"]
        answers = [
            await api.ask("GET", ISSUERS, token=token),
            await api.ask("DELETE", f"{ISSUERS}/{uuid4()}", token=token),
            await api.post(ISSUERS, {"issuer": issuer.url, "clientId": CLIENT}, token=token),
        ]
        assert {(answer.status, answer.code) for answer in answers} == {(403, "forbidden")}


async def test_without_its_issuer_people_are_signed_out(api: OutsideApi, issuer: LocalIssuer) -> None:
    acme = await api.company()
    issuer_id = (await api.register(acme, issuer.url)).body["issuerId"]
    first = await api.entered(issuer.token(api.clock.now))
    await api.ask("DELETE", f"{ISSUERS}/{issuer_id}", token=acme.token)
    await api.refused(first["accessToken"])
    assert (await api.refresh(first["refreshToken"])).status == 401
    token = issuer.token(api.clock.now, jti="2")
    assert (await api.exchange(token)).code == "token_refused"
    assert (await api.ask("GET", ISSUERS, token=acme.token)).status == 200, "nobody else is"
    await api.register(acme, issuer.url)
    assert (await api.entered(token))["userId"] == first["userId"]


async def test_who_comes_in_while_the_issuer_is_removed_is_signed_out_too(api: OutsideApi, issuer: LocalIssuer) -> None:
    acme = await api.company()
    issuer_id = (await api.register(acme, issuer.url)).body["issuerId"]
    await api.entered(issuer.token(api.clock.now))
    async with api.everything.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT FROM users FOR UPDATE")

        async def waiting(number: int) -> bool:
            found: int = await connection.fetchval("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
            return found == number

        entering = asyncio.create_task(api.entered(issuer.token(api.clock.now, jti="2")))
        await until(lambda: waiting(1))
        removing = asyncio.create_task(api.ask("DELETE", f"{ISSUERS}/{issuer_id}", token=acme.token))
        await until(lambda: waiting(2))
        await transaction.commit()
    granted = await entering
    assert (await removing).status == 204
    await api.refused(granted["accessToken"])
    assert (await api.refresh(granted["refreshToken"])).status == 401
