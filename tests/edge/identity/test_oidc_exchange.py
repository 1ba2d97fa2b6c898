"""Outside tokens become sessions of our own, and only those of people who belong here."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from edge.identity.grant import Grant
from edge.identity.oidc.settings import OperatorIssuer
from edge.identity.oidc_exchange import PER_NETWORK, OutsideToken
from edge.identity.token_use import AGAIN
from tests.conftest import Database
from tests.edge.identity.accounts_api import ORIGIN, PASSWORD, until
from tests.edge.identity.oidc.authority import Authority as Certificates
from tests.edge.identity.oidc.issuer import CLIENT, LocalIssuer, encoded, serving
from tests.edge.identity.oidc.provider import OidcProvider
from tests.edge.identity.outside_api import EXCHANGE, Company, OutsideApi, serving_outside

TENANT_CLAIM = "custom:tenant_id"


@pytest.fixture
async def api(database: Database, redis: Redis, certificates: Certificates) -> AsyncIterator[OutsideApi]:
    async with serving_outside(database, redis, certificates) as api:
        yield api


@pytest.fixture
async def acme(api: OutsideApi, issuer: LocalIssuer) -> Company:
    """A company with the issuer of this test."""
    company = await api.company()
    assert (await api.register(company, issuer.url)).status == 201
    return company


async def refused(api: OutsideApi, company: Company, *tokens: str, nonce: str | None = None) -> list[str]:
    """The reasons in the audit log for which these tokens were refused, all with the same answer."""
    before = len(await api.reasons(company))
    answers = [await api.exchange(token, **({"nonce": nonce} if nonce else {})) for token in tokens]
    assert {(answer.status, answer.code) for answer in answers} == {(401, "token_refused")}
    assert all(answer.body == answers[0].body for answer in answers)
    assert all(answer.headers.keys() == answers[0].headers.keys() for answer in answers)

    async def written() -> bool:
        return len(await api.reasons(company)) == before + len(tokens)

    await until(written)
    return (await api.reasons(company))[before:]


async def users(api: OutsideApi, tenant: UUID) -> int:
    """Users of the company who came from outside."""
    count: int = await api.everything.fetchval(
        "SELECT count(*) FROM users WHERE tenant_id = $1 AND identity_id IS NULL", tenant
    )
    return count


async def test_code_flow_with_pkce_to_a_session(api: OutsideApi, certificates: Certificates) -> None:
    """A real provider, from its sign-in page to our refresh token; then what another issuer makes of its people."""
    async with (
        OidcProvider(*certificates.certify("localhost"), certificates.client_context()) as provider,
        serving(certificates, "localhost") as evil,
    ):
        acme, globex = await api.company("acme"), await api.company("globex")
        assert (await api.register(acme, provider.issuer, "dojo-ES256", defaultRole="host")).status == 201
        token = (await provider.sign_in("ana", "dojo-ES256", nonce="n-1"))["id_token"]
        assert (await api.exchange(token, nonce="n-2")).code == "token_refused"
        granted = await api.entered(token, nonce="n-1")
        assert granted["tenantId"] == str(acme.tenant)
        me = await api.me(granted)
        assert (me["fullName"], me["email"], me["role"]) == ("Person ana", "ana@example.com", "host")
        renewed = await api.refresh(granted["refreshToken"])
        assert (renewed.status, renewed.body["userId"]) == (200, granted["userId"])
        later = await api.entered((await provider.sign_in("ana", "dojo-ES256"))["id_token"])
        assert later["userId"] == granted["userId"]
        assert (await api.exchange((await provider.sign_in("ana", "another-app"))["id_token"])).status == 401

        # Another company's issuer says that it is the provider, with the provider's people.
        assert (await api.register(globex, evil.url)).status == 201
        forged = evil.claims(api.clock.now, iss=provider.issuer, aud="dojo-ES256")
        kid = provider.kids["ES256"]
        tokens = [evil.sign(forged), evil.sign(forged, kid=kid), evil.sign(forged, kid=provider.kids["RS256"])]
        assert await refused(api, acme, *tokens) == ["unknown_key", "unknown_key", "bad_signature"]
        # And its own people get nowhere but to that company, whatever the token says.
        claims = {"tenant": str(acme.tenant), TENANT_CLAIM: str(acme.tenant), "tid": str(acme.tenant)}
        stranger = await api.entered(evil.token(api.clock.now, sub="ana", **claims))
        assert stranger["tenantId"] == str(globex.tenant)
        assert stranger["userId"] != granted["userId"]
        assert (await users(api, acme.tenant), await users(api, globex.tenant)) == (1, 1)


async def test_whatever_is_wrong_is_answered_alike(
    api: OutsideApi, acme: Company, issuer: LocalIssuer, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    now = api.clock.now
    claims = issuer.claims(now, sub="ana.secret")
    confused = issuer.sign(claims, alg="HS256").rpartition(".")[0]
    public = issuer.key.as_pem(private=False)
    unknown = [
        issuer.token(now, iss="https://nobody.example"),
        issuer.token(now, aud="another-app"),
        issuer.sign(claims, alg="none").rpartition(".")[0] + ".",
        f"{confused}.{encoded(hmac.digest(public, confused.encode(), 'sha256'))}",
        "a.b.c",
        "not a token ☃",
    ]
    answers = [await api.exchange(token) for token in unknown]
    known = await refused(
        api,
        acme,
        issuer.token(now, iat=int(now) - 400, exp=int(now) - 100),
        issuer.token(now, iat=int(now) + 100, exp=int(now) + 200),
        issuer.sign(claims, kid="key-2"),
        issuer.token(now)[:-6] + "AAAAAA",
    )
    assert known == ["expired", "not_yet_valid", "unknown_key", "bad_signature"]
    assert await refused(api, acme, issuer.token(now), nonce="n-1") == ["nonce_mismatch"]
    other = await api.exchange(issuer.token(now, exp=int(now) - 1000, iat=int(now) - 2000))
    assert all((answer.status, answer.body) == (401, other.body) for answer in answers)
    async with serving(certificates, "localhost") as gone:
        assert (await api.register(acme, gone.url)).status == 201
        del gone.requests["/jwks"]
        gone.discovery["jwks_uri"] = "https://localhost:1/"
        api.clock.now += 25 * 3600  # what was known of it is too old
        token = gone.token(api.clock.now)
    assert await refused(api, acme, token) == ["unreachable"]
    assert await users(api, acme.tenant) == 0
    assert await api.everything.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    assert "ana.secret" not in caplog.text
    assert "nobody.example" not in caplog.text
    assert token not in caplog.text


async def test_an_unregistered_issuer_is_not_asked(api: OutsideApi, issuer: LocalIssuer) -> None:
    assert (await api.exchange(issuer.token(api.clock.now))).code == "token_refused"
    assert not issuer.requests


async def test_bad_bodies(api: OutsideApi) -> None:
    bodies: list[tuple[dict[str, object], int]] = [
        ({}, 400),
        ({"token": ""}, 400),
        ({"token": "x" * 16_385}, 400),
        ({"token": "x" * 16_384}, 401),
        ({"token": "x" * 30_000}, 413),
        ({"token": 1}, 400),
        ({"token": "a.b.c", "nonce": ""}, 400),
        ({"token": "a.b.c", "nonce": "a\nb"}, 400),
        ({"token": "a.b.c", "nonce": "\ud800"}, 400),
        ({"token": "\ud800.b.c"}, 400),
        ({"token": "a.b.c", "client": "tv"}, 400),
        ({"token": "a.b.c", "tenantId": str(UUID(int=1))}, 400),
    ]
    assert [(await api.post(EXCHANGE, body)).status for body, _ in bodies] == [status for _, status in bodies]


async def test_what_the_token_says_of_a_person(api: OutsideApi, acme: Company, issuer: LocalIssuer) -> None:
    async def shown(subject: str, **claims: object) -> tuple[str, str | None]:
        me = await api.me(await api.entered(issuer.token(api.clock.now, sub=subject, **claims), network="192.0.2.9"))
        assert (me["role"], me["emailVerified"]) == ("member", False)
        return me["fullName"], me["email"]

    verified = {"email": "Ana@Example.com", "email_verified": True}
    assert await shown("1", name=" Ana \t  Souza ", **verified) == ("Ana Souza", "ana@example.com")
    assert await shown("2", **verified) == ("ana", "ana@example.com"), "two may have the same"
    assert await shown("3", email="eve@example.com") == ("Somebody", None)
    assert await shown("4", name="\u202f" * 5) == ("Somebody", None)
    assert await shown("5", name="é" * 300) == ("é" * 100, None)
    # Later tokens are followed in what they say, and only in that.
    assert await shown("1", jti="b") == ("Ana Souza", "ana@example.com")
    assert await shown("1", name="Ana Lima") == ("Ana Lima", "ana@example.com")
    assert await shown("1", email="ana@new.example", email_verified=True) == ("Ana Lima", "ana@new.example")
    assert await shown("1", email="ana@new.example", email_verified=False) == ("Ana Lima", None)
    assert await users(api, acme.tenant) == 5


async def test_an_address_links_nobody_to_an_account(api: OutsideApi, acme: Company, issuer: LocalIssuer) -> None:
    """The issuer says that somebody has the address of the company's administrator."""
    token = issuer.token(api.clock.now, email=acme.admin.email, email_verified=True, name="Admin")
    granted = await api.entered(token)
    assert granted["userId"] != str(acme.admin.user)
    assert (await api.me(granted))["role"] == "member"
    assert (await api.signed_in(acme.admin.email))["userId"] == str(acme.admin.user)
    # Nor does a password come of it.
    body = {"currentPassword": PASSWORD, "newPassword": "another battery horse"}
    assert (await api.post("/api/v1/auth/password", body, token=granted["accessToken"])).code == "no_password"


async def test_the_same_person_twice_at_the_same_instant(api: OutsideApi, acme: Company, issuer: LocalIssuer) -> None:
    tokens = [issuer.token(api.clock.now, jti=str(n)) for n in range(3)]
    granted = await asyncio.gather(*(api.entered(token) for token in (*tokens, *tokens)))
    assert len({one["userId"] for one in granted}) == 1
    assert await users(api, acme.tenant) == 1
    assert await api.everything.fetchval("SELECT count(*) FROM external_identities") == 1
    assert (await api.audited(acme.tenant)).count("user.signed_up") == 2, "the administrator, and this person"


async def test_a_token_is_taken_once_and_a_moment_after(api: OutsideApi, acme: Company, issuer: LocalIssuer) -> None:
    issuer.algorithm = "ES256"
    issuer.rotate("key-2")
    api.clock.now += 61
    claims = issuer.claims(api.clock.now)
    token, signed_again = issuer.sign(claims), issuer.sign(claims)
    assert token != signed_again
    first = await api.entered(token)
    await api.age(token, AGAIN.total_seconds() - 5)
    again = await api.entered(token)
    assert again["userId"] == first["userId"]
    assert again["refreshToken"] != first["refreshToken"]
    await api.age(token, 6)
    assert await refused(api, acme, token, signed_again, token) == ["used_before"] * 3
    assert (await api.refresh(first["refreshToken"])).status == 200, "whoever came first stays"
    kept = str(await api.everything.fetch("SELECT * FROM idempotency_keys"))
    assert token not in kept


async def test_an_exchange_that_fails_takes_nothing(api: OutsideApi, acme: Company, issuer: LocalIssuer) -> None:
    token = issuer.token(api.clock.now)
    await api.everything.execute("UPDATE tenants SET max_users = 1 WHERE tenant_id = $1", acme.tenant)
    full = await api.exchange(token)
    assert (full.status, full.code) == (409, "quota_exceeded")
    assert await users(api, acme.tenant) == 0
    await api.everything.execute("UPDATE tenants SET max_users = 2 WHERE tenant_id = $1", acme.tenant)
    granted = await api.entered(token)
    assert (await api.exchange(issuer.token(api.clock.now, sub="bob"))).code == "quota_exceeded"
    assert (await api.entered(issuer.token(api.clock.now, jti="2")))["userId"] == granted["userId"]


async def test_the_last_seat_goes_to_one(api: OutsideApi, acme: Company, issuer: LocalIssuer) -> None:
    await api.everything.execute("UPDATE tenants SET max_users = 2 WHERE tenant_id = $1", acme.tenant)
    tokens = [issuer.token(api.clock.now, sub=name) for name in ("ana", "bob", "eve")]
    answers = await asyncio.gather(*(api.exchange(token) for token in tokens))
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
    assert await users(api, acme.tenant) == 1


async def test_suspended_people_and_companies(api: OutsideApi, acme: Company, issuer: LocalIssuer) -> None:
    granted = await api.entered(issuer.token(api.clock.now))
    for table in ("users", "tenants"):
        await api.everything.execute(f"UPDATE {table} SET status = 'SUSPENDED' WHERE tenant_id = $1", acme.tenant)
        for subject in ("ana", "bob") if table == "tenants" else ("ana",):
            answer = await api.exchange(issuer.token(api.clock.now, sub=subject, jti=table))
            assert (answer.status, answer.code) == (403, "account_suspended")
        assert (await api.exchange(issuer.token(api.clock.now)[:-6] + "AAAAAA")).code == "token_refused"
        await api.everything.execute(f"UPDATE {table} SET status = 'ACTIVE' WHERE tenant_id = $1", acme.tenant)
    assert await users(api, acme.tenant) == 1
    assert (await api.entered(issuer.token(api.clock.now, jti="3")))["userId"] == granted["userId"]


async def test_whoever_erased_themselves_may_come_again(api: OutsideApi, acme: Company, issuer: LocalIssuer) -> None:
    granted = await api.entered(issuer.token(api.clock.now))
    assert (await api.ask("DELETE", "/api/v1/users/me", {}, token=granted["accessToken"])).status == 204
    await api.age(issuer.token(api.clock.now), AGAIN.total_seconds())
    assert await refused(api, acme, issuer.token(api.clock.now)) == ["used_before"]
    again = await api.entered(issuer.token(api.clock.now, jti="2"))
    assert again["userId"] != granted["userId"]


async def test_whom_an_administrator_removed_stays_out(api: OutsideApi, acme: Company, issuer: LocalIssuer) -> None:
    granted = await api.entered(issuer.token(api.clock.now))
    identities = f"/api/v1/users/{granted['userId']}/outside-identities"
    early = await api.ask("DELETE", identities, token=acme.token)
    assert (early.status, early.code) == (409, "not_removed")
    await api.everything.execute("UPDATE users SET status = 'REMOVED' WHERE user_id = $1", UUID(granted["userId"]))
    token = issuer.token(api.clock.now, jti="2")
    assert await refused(api, acme, issuer.token(api.clock.now), token) == ["person_removed"] * 2
    globex = await api.company("globex")
    for path in (identities, f"/api/v1/users/{uuid4()}/outside-identities"):
        assert (await api.ask("DELETE", path, token=globex.token)).status == 404
    assert await refused(api, acme, token) == ["person_removed"]
    for _ in range(2):
        assert (await api.ask("DELETE", identities, token=acme.token)).status == 204
    assert (await api.audited(acme.tenant)).count("user.forgotten") == 1
    again = await api.entered(token)
    assert again["userId"] != granted["userId"]


async def test_an_issuer_of_the_operators_names_the_company(
    database: Database, redis: Redis, certificates: Certificates, issuer: LocalIssuer
) -> None:
    configured = OperatorIssuer(issuer=issuer.url, client_ids=(CLIENT,), tenant_claim=TENANT_CLAIM)
    async with serving_outside(database, redis, certificates, configured) as api:
        acme, globex = await api.company("acme"), await api.company("globex")

        def token(tenant: object, **claims: object) -> str:
            return issuer.token(api.clock.now, **{TENANT_CLAIM: str(tenant), **claims})

        granted = await api.entered(token(acme.tenant))
        assert granted["tenantId"] == str(acme.tenant)
        assert (await api.me(granted))["role"] == "member"
        other = await api.entered(token(str(globex.tenant).upper()))
        assert (other["tenantId"], other["userId"] == granted["userId"]) == (str(globex.tenant), False)
        cognito = issuer.claims(api.clock.now, aud=None, token_use="access", client_id=CLIENT, jti="2")
        access = await api.entered(issuer.sign({**cognito, TENANT_CLAIM: str(acme.tenant)}))
        assert access["userId"] == granted["userId"]

        nowhere = [uuid4(), "acme", "", f"{{{acme.tenant}}}", acme.tenant.hex, f"urn:uuid:{acme.tenant}"]
        answers = [await api.exchange(token(tenant)) for tenant in nowhere]
        answers.append(await api.exchange(issuer.token(api.clock.now)))
        assert {(answer.status, answer.code) for answer in answers} == {(401, "token_refused")}
        assert await api.everything.fetchval("SELECT count(*) FROM audit_log WHERE action = 'exchange.refused'") == 0
        await api.everything.execute("UPDATE tenants SET status = 'ERASING' WHERE tenant_id = $1", globex.tenant)
        closed = await api.exchange(token(globex.tenant, sub="bob"))
        assert (closed.status, closed.code) == (403, "account_suspended")
        await api.age(token(acme.tenant), 60)
        assert await refused(api, acme, token(acme.tenant)) == ["used_before"]


async def test_an_issuer_of_the_operators_for_one_company(
    database: Database, redis: Redis, certificates: Certificates, issuer: LocalIssuer
) -> None:
    tenant = uuid4()
    configured = OperatorIssuer(issuer=issuer.url, client_ids=(CLIENT,), tenant=tenant)
    async with serving_outside(database, redis, certificates, configured) as api:
        acme = await api.company()
        token = issuer.token(api.clock.now, **{TENANT_CLAIM: str(acme.tenant)})
        assert (await api.exchange(token)).code == "token_refused", "there is no such company yet"
        await api.everything.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, 'Own')", tenant)
        assert (await api.entered(token))["tenantId"] == str(tenant)


async def test_a_browser_gets_a_cookie(api: OutsideApi, acme: Company, issuer: LocalIssuer) -> None:
    token = issuer.token(api.clock.now)
    for headers in ({}, {"Origin": "https://evil.example"}):
        answer = await api.exchange(token, client="browser", headers=headers)
        assert (answer.status, answer.code) == (403, "origin_not_allowed")
    answer = await api.exchange(token, client="browser", headers={"Origin": ORIGIN})
    assert (answer.status, "refreshToken" in answer.body) == (200, False)
    assert answer.cookies["dojo_refresh"]["httponly"]
    assert answer.headers["Cache-Control"] == "no-store"
    kinds = await api.everything.fetch("SELECT kind FROM sessions s JOIN external_identities e USING (user_id)")
    assert [row["kind"] for row in kinds] == ["BROWSER"]


async def test_a_network_has_a_limit(api: OutsideApi) -> None:
    times = int(PER_NETWORK.capacity) + 10  # some may flow back meanwhile
    answers = [await api.exchange("a.b.c", network="203.0.113.7") for _ in range(times)]
    assert {answer.status for answer in answers[: times - 10]} == {401}
    assert (answers[-1].status, answers[-1].code) == (429, "too_many_requests")
    assert (await api.exchange("a.b.c", network="203.0.113.8")).status == 401


def test_tokens_are_not_shown() -> None:
    assert "secret" not in repr(OutsideToken(token="secret"))
    assert "secret" not in repr(
        Grant(access_token="secret", expires_in=1, token_type="Bearer", user_id=uuid4(), tenant_id=uuid4())
    )
