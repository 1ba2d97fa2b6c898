"""From a sign-in at a real provider (npm `oidc-provider`, https, code flow with PKCE) to a person."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator

import pytest

from edge.identity.oidc.outside import OutsideTokens
from edge.identity.oidc.refusals import Fault, IssuerUnavailable, Refusal, TokenRefused
from edge.identity.oidc.registration import Registration
from edge.identity.oidc.settings import OidcSettings
from edge.identity.oidc.url import UrlRefused
from tests.edge.identity.oidc.authority import Authority
from tests.edge.identity.oidc.conftest import LOOPBACK
from tests.edge.identity.oidc.issuer import CLIENT, Clock, LocalIssuer, serving
from tests.edge.identity.oidc.provider import OidcProvider


@pytest.fixture
def clock() -> Clock:
    """The provider's clock is the machine's."""
    return Clock(time.time())


@pytest.fixture
async def provider(authority: Authority) -> AsyncIterator[OidcProvider]:
    async with OidcProvider(*authority.certify("localhost"), authority.client_context()) as provider:
        yield provider


class Registered:
    """Stands where the settings and the table of issuers do: pairs of issuer and client."""

    def __init__(self, *pairs: tuple[str, str], operator: bool = True, tenant_claim: str | None = None) -> None:
        self.pairs = set(pairs)
        self.operator = operator
        self.tenant_claim = tenant_claim
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, issuer: str, client_id: str) -> Registration | None:
        self.asked.append((issuer, client_id))
        if (issuer, client_id) not in self.pairs:
            return None
        return Registration(issuer, client_id, None, self.operator, self.tenant_claim)


async def refusal(outside: OutsideTokens, token: str, issuers: Registered, nonce: str | None = None) -> Refusal:
    with pytest.raises(TokenRefused) as caught:
        await outside.verify(token, issuers, nonce)
    return caught.value.reason


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_a_sign_in(outside: OutsideTokens, provider: OidcProvider, algorithm: str) -> None:
    client = f"dojo-{algorithm}"
    issuers = Registered((provider.issuer, client))
    answer = await provider.sign_in("ana", client, nonce="n-1")
    person = await outside.verify(answer["id_token"], issuers, nonce="n-1")
    assert (person.issuer, person.subject, person.client_id) == (provider.issuer, "ana", client)
    assert (person.email, person.email_verified, person.name) == ("ana@example.com", True, "Person ana")
    assert issuers.asked == [(provider.issuer, client)]
    assert await refusal(outside, answer["id_token"], issuers, nonce="n-2") is Refusal.NONCE


async def test_the_provider_does_check_pkce(provider: OidcProvider) -> None:
    """Otherwise the flow above would show nothing."""
    answer = await provider.sign_in("ana", verifier="x" * 64)
    assert (answer["error"], "id_token" in answer) == ("invalid_grant", False)


async def test_a_token_of_another_client(outside: OutsideTokens, provider: OidcProvider) -> None:
    token = (await provider.sign_in("ana", "another-app"))["id_token"]
    issuers = Registered((provider.issuer, "dojo-RS256"))
    assert await refusal(outside, token, issuers) is Refusal.UNKNOWN_ISSUER
    assert issuers.asked == [(provider.issuer, "another-app")]

    async def careless(issuer: str, _: str) -> Registration:
        return Registration(issuer, "dojo-RS256", None, operator=True)

    with pytest.raises(TokenRefused, match=Refusal.WRONG_AUDIENCE):
        await outside.verify(token, careless)


async def test_the_providers_access_token_is_no_sign_in(outside: OutsideTokens, provider: OidcProvider) -> None:
    answer = await provider.sign_in("ana")
    issuers = Registered((provider.issuer, "dojo-RS256"))
    assert await refusal(outside, answer["access_token"], issuers) is Refusal.MALFORMED


async def test_an_expired_token(outside: OutsideTokens, provider: OidcProvider, clock: Clock) -> None:
    token = (await provider.sign_in("ana"))["id_token"]
    issuers = Registered((provider.issuer, "dojo-RS256"))
    await outside.verify(token, issuers)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    clock.now = claims["exp"] + 61
    assert await refusal(outside, token, issuers) is Refusal.EXPIRED
    clock.now = claims["iat"] - 61
    assert await refusal(outside, token, issuers) is Refusal.NOT_YET_VALID


async def test_rotated_keys_are_picked_up_after_a_minute(
    outside: OutsideTokens, provider: OidcProvider, clock: Clock
) -> None:
    issuers = Registered((provider.issuer, "dojo-RS256"))
    old = (await provider.sign_in("ana"))["id_token"]
    await outside.verify(old, issuers)
    await provider.rotate()
    new = (await provider.sign_in("ana"))["id_token"]
    assert await refusal(outside, new, issuers) is Refusal.UNKNOWN_KEY
    clock.now += 60
    assert (await outside.verify(new, issuers)).subject == "ana"
    assert await refusal(outside, old, issuers) is Refusal.UNKNOWN_KEY


async def test_another_issuer_cannot_speak_for_this_one(
    outside: OutsideTokens, provider: OidcProvider, issuer: LocalIssuer, clock: Clock
) -> None:
    """A tenant's own issuer, with keys it controls, asserts the provider's people."""
    await outside.verify((await provider.sign_in("ana"))["id_token"], Registered((provider.issuer, "dojo-RS256")))
    issuers = Registered((provider.issuer, "dojo-RS256"), (issuer.url, CLIENT))
    assert (await outside.verify(issuer.token(clock.now), issuers)).issuer == issuer.url

    forged = issuer.claims(clock.now, iss=provider.issuer, aud="dojo-RS256")
    assert await refusal(outside, issuer.sign(forged), issuers) is Refusal.UNKNOWN_KEY
    assert await refusal(outside, issuer.sign(forged, kid=provider.kids["RS256"]), issuers) is Refusal.BAD_SIGNATURE
    jku = {"kid": provider.kids["RS256"], "jku": f"{issuer.url}/jwks"}
    assert await refusal(outside, issuer.sign(forged, **jku), issuers) is Refusal.BAD_HEADER

    issuer.discovery = {**issuer.discovery, "issuer": provider.issuer}
    clock.now += 3600
    assert (await outside.verify(issuer.token(clock.now), issuers)).issuer == issuer.url  # what it said before


async def test_an_unregistered_issuer_is_never_asked(outside: OutsideTokens, issuer: LocalIssuer, clock: Clock) -> None:
    assert await refusal(outside, issuer.token(clock.now), Registered()) is Refusal.UNKNOWN_ISSUER
    assert not issuer.requests


async def test_cognito(outside: OutsideTokens, issuer: LocalIssuer, clock: Clock) -> None:
    issuers = Registered((issuer.url, CLIENT), tenant_claim="custom:tenant_id")
    claims = issuer.claims(clock.now, aud=None, token_use="access", client_id=CLIENT, **{"custom:tenant_id": "acme"})
    person = await outside.verify(issuer.sign(claims), issuers)
    assert (person.token_kind, person.subject, person.tenant_claim) == ("access", "ana", "acme")
    id_token = issuer.token(clock.now, token_use="id", **{"custom:tenant_id": "acme"})
    assert (await outside.verify(id_token, issuers)).token_kind == "id"
    assert await refusal(outside, issuer.sign({**claims, "client_id": "other"}), issuers) is Refusal.UNKNOWN_ISSUER


async def test_a_tenants_issuer_on_a_private_address(
    outside: OutsideTokens, authority: Authority, issuer: LocalIssuer, clock: Clock
) -> None:
    issuers = Registered((issuer.url, CLIENT), operator=False, tenant_claim="custom:tenant_id")
    token = issuer.token(clock.now, **{"custom:tenant_id": "acme"})
    with pytest.raises(IssuerUnavailable) as caught:
        await outside.verify(token, issuers)
    assert (caught.value.reason, issuer.requests.total()) == (Fault.ADDRESS, 0)
    opened = OutsideTokens(OidcSettings(tenant_networks=LOOPBACK, ca_file=authority.ca_file), clock)
    assert (await opened.verify(token, issuers)).tenant_claim is None
    await opened.close()


async def test_an_issuer_is_checked_before_it_is_registered(authority: Authority, clock: Clock) -> None:
    outside = OutsideTokens(OidcSettings(tenant_networks=LOOPBACK, ca_file=authority.ca_file), clock)
    async with serving(authority, "localhost") as issuer:
        await outside.check_issuer(issuer.url)
        with pytest.raises(UrlRefused):
            await outside.check_issuer(issuer.url.replace("https", "http"))
        with pytest.raises(IssuerUnavailable) as caught:
            await outside.check_issuer(f"{issuer.url}/realms/other")
        assert caught.value.reason is Fault.OTHER_ISSUER
    await outside.close()


def test_settings_that_cannot_be_used_are_named(clock: Clock) -> None:
    with pytest.raises(ValueError, match="CIDR"):
        OutsideTokens(OidcSettings(allowed_networks=("localhost",)), clock)
