"""The token itself: keys and time given, no server."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from edge.identity.oidc.jwks import read_keys
from edge.identity.oidc.refusals import Refusal, TokenRefused
from edge.identity.oidc.registration import Registration
from edge.identity.oidc.signed import TOKEN_BYTES, take_apart
from edge.identity.oidc.verify import AGE_SECONDS, LEEWAY_SECONDS, OutsidePerson, claimed
from tests.edge.identity.oidc.issuer import CLIENT, LocalIssuer, encoded, jwk, new_key, signed

NOW = 1_800_000_000
ISSUER = LocalIssuer("https://idp.test")
REGISTERED = Registration(ISSUER.url, CLIENT, None)
HEADER = {"alg": "RS256", "kid": "key-1"}


def prove(
    token: str, registration: Registration = REGISTERED, now: float = NOW, nonce: str | None = None
) -> OutsidePerson:
    claim = claimed(take_apart(token))
    key = read_keys(json.dumps(ISSUER.jwks).encode()).find(claim.token.kid, claim.token.algorithm)
    if key is None:
        raise TokenRefused(Refusal.UNKNOWN_KEY)
    return claim.prove(registration, key, now, nonce)


def refusal(token: str, registration: Registration = REGISTERED, now: float = NOW, nonce: str | None = None) -> Refusal:
    with pytest.raises(TokenRefused) as caught:
        prove(token, registration, now, nonce)
    assert str(caught.value) in set(Refusal)
    return caught.value.reason


def test_an_id_token() -> None:
    token = ISSUER.token(NOW, email=" Ana@Example.COM", email_verified=True, name="Ana\tPérez")
    person = prove(token)
    assert (person.issuer, person.subject, person.client_id) == (ISSUER.url, "ana", CLIENT)
    assert (person.email, person.email_verified, person.name) == ("ana@example.com", True, "Ana Pérez")
    assert (person.token_kind, person.expires_at, person.tenant_claim) == ("id", NOW + 300, None)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"])
def test_each_algorithm(algorithm: str) -> None:
    key = new_key(algorithm)
    claims = ISSUER.claims(NOW)
    token = signed({"alg": algorithm, "kid": "k", "typ": "JWT"}, claims, key, algorithm)
    published = read_keys(json.dumps({"keys": [jwk(key, "k")]}).encode()).find("k", algorithm)
    assert published is not None
    assert claimed(take_apart(token)).prove(REGISTERED, published, NOW).subject == "ana"
    other = signed({"alg": algorithm, "kid": "k"}, claims, new_key(algorithm), algorithm)
    with pytest.raises(TokenRefused, match=Refusal.BAD_SIGNATURE):
        claimed(take_apart(other)).prove(REGISTERED, published, NOW)


# The signature


def test_algorithm_confusion() -> None:
    """The public key, which everybody knows, as the secret of an HMAC."""
    assert isinstance(ISSUER.key, RSAKey)
    known = [
        ISSUER.key.public_key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
    ]
    header = {**HEADER, "alg": "HS256"}
    for secret in (*known, known[0].strip(), json.dumps(ISSUER.jwks["keys"][0]).encode()):
        text = ISSUER.sign(ISSUER.claims(NOW), **header).rpartition(".")[0]
        assert refusal(f"{text}.{encoded(hmac.digest(secret, text.encode(), 'sha256'))}") is Refusal.ALGORITHM


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "nOnE", "HS256", "HS512", "ES512", "PS512", "rs256", "", 7, None]
)
def test_algorithms_that_are_not_taken(algorithm: Any) -> None:
    token = ISSUER.sign(ISSUER.claims(NOW), alg=algorithm)
    assert refusal(token) is Refusal.ALGORITHM
    assert refusal(token.rpartition(".")[0] + ".") is Refusal.ALGORITHM


def test_the_algorithm_is_the_keys_and_not_the_tokens() -> None:
    """The key says RS256: the same key under PS256, or an elliptic one under its id, is an unknown key."""
    claims = ISSUER.claims(NOW)
    assert refusal(signed({**HEADER, "alg": "PS256"}, claims, ISSUER.key, "PS256")) is Refusal.UNKNOWN_KEY
    assert refusal(signed({**HEADER, "alg": "ES256"}, claims, new_key("ES256"), "ES256")) is Refusal.UNKNOWN_KEY


def test_a_changed_token() -> None:
    header, claims, signature = ISSUER.token(NOW).split(".")
    _, other_claims, other_signature = ISSUER.token(NOW, sub="bea").split(".")
    for token in (
        f"{header}.{other_claims}.{signature}",
        f"{header}.{claims}.{other_signature}",
        f"{header}.{claims}.",
    ):
        assert refusal(token) is Refusal.BAD_SIGNATURE


@pytest.mark.parametrize("field", ["crit", "jku", "x5u", "jwk", "b64", "zip", "enc"])
def test_a_token_does_not_bring_its_own_key(field: str) -> None:
    assert refusal(ISSUER.sign(ISSUER.claims(NOW), **{field: ["exp"]})) is Refusal.BAD_HEADER


@pytest.mark.parametrize(
    "header", [{"alg": "RS256"}, {**HEADER, "kid": ""}, {**HEADER, "kid": 1}, {**HEADER, "typ": 1}]
)
def test_headers_without_a_key_id(header: dict[str, Any]) -> None:
    assert refusal(signed(header, ISSUER.claims(NOW), ISSUER.key, "RS256")) is Refusal.BAD_HEADER


# The form


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b",
        "..",
        "a.b.c.d",
        "a.b.c.d.e",
        "é.é.é",
        "e30.e30.",
        "e30 .e30.e30",
        "e30=.e30.e30",
        "e30.e30.e30\n",
        encoded(b'{"alg":"RS256","kid":"k","kid":"k"}') + ".e30.e30",
        encoded(b"\xff\xfe") + ".e30.e30",
        "A" * TOKEN_BYTES + ".e30.e30",
    ],
)
def test_malformed(token: str) -> None:
    assert refusal(token) in (Refusal.MALFORMED, Refusal.ALGORITHM)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'{"sub":"\xff"}',
        b'{"sub":"\\ud800"}',
        b'{"iss":"a","iss":"b"}',
        b'{"exp":NaN}',
        b'{"exp":' + b"9" * 5000 + b"}",
        b'{"a":' * 1500,
    ],
)
def test_claims_that_are_no_strict_json(payload: bytes) -> None:
    assert refusal(ISSUER.sign(payload)) is Refusal.MALFORMED


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}"))
def test_any_text_is_refused(text: str) -> None:
    assert refusal(text) in set(Refusal)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "iss",
        "sub",
        "aud",
        "azp",
        "exp",
        "iat",
        "nbf",
        "nonce",
        "client_id",
        "token_use",
        "typ",
        "email",
        "name",
        "events",
    ]
)


@given(st.dictionaries(NAMES, JSON, min_size=1, max_size=4))
def test_any_claims_are_a_person_or_refused(changes: dict[str, Any]) -> None:
    """Signed by the issuer, so that the claims' own checks are reached."""
    claims = {**ISSUER.claims(NOW), **changes}
    try:
        person = prove(ISSUER.sign(json.dumps(claims).encode()))
    except TokenRefused as error:
        outcome: object = error.reason
    else:
        outcome = (person.issuer, person.client_id, person.subject)
    assert outcome in {*Refusal, (ISSUER.url, CLIENT, str(claims["sub"]))}


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": None},
        {"sub": ""},
        {"sub": "a" * 256},
        {"sub": "a\u0000b"},
        {"sub": "é"},
        {"sub": 7},
        {"exp": None},
        {"exp": "1800000300"},
        {"exp": True},
        {"exp": -1},
        {"exp": 1e300},
        {"exp": 10**30},
        {"exp": NOW - 1, "iat": NOW},
        {"iat": None},
        {"nbf": "soon"},
        {"aud": []},
        {"aud": [7]},
        {"aud": ["a"] * 21},
        {"azp": 7},
        {"nonce": 7},
    ],
)
def test_claims_of_the_wrong_form(changes: dict[str, Any]) -> None:
    assert refusal(ISSUER.token(NOW, **changes)) is Refusal.BAD_CLAIMS


# For whom


def test_the_issuer_is_exactly_the_registered_one() -> None:
    assert refusal(ISSUER.token(NOW, iss="https://idp.test/")) is Refusal.UNKNOWN_ISSUER
    assert refusal(ISSUER.token(NOW, iss="https://other.test")) is Refusal.UNKNOWN_ISSUER
    assert refusal(ISSUER.token(NOW, iss="http://idp.test")) is Refusal.UNKNOWN_ISSUER
    assert refusal(ISSUER.token(NOW, iss="dojo")) is Refusal.UNKNOWN_ISSUER


def test_the_audience_is_the_registered_client() -> None:
    assert prove(ISSUER.token(NOW, aud=[CLIENT])).client_id == CLIENT
    assert refusal(ISSUER.token(NOW, aud="another-app")) is Refusal.WRONG_AUDIENCE
    assert refusal(ISSUER.token(NOW, aud=CLIENT.upper())) is Refusal.WRONG_AUDIENCE
    assert refusal(ISSUER.token(NOW, aud=None)) is Refusal.WRONG_AUDIENCE


def test_of_several_audiences_the_authorised_party_counts() -> None:
    both = [CLIENT, "another-app"]
    assert prove(ISSUER.token(NOW, aud=both, azp=CLIENT)).client_id == CLIENT
    assert refusal(ISSUER.token(NOW, aud=both)) is Refusal.WRONG_AUDIENCE
    assert refusal(ISSUER.token(NOW, aud=both, azp="another-app")) is Refusal.WRONG_AUDIENCE
    assert refusal(ISSUER.token(NOW, aud=["another-app", "third"], azp=CLIENT)) is Refusal.WRONG_AUDIENCE


def test_a_nonce_that_is_expected_must_be_there() -> None:
    assert prove(ISSUER.token(NOW, nonce="n-1"), nonce="n-1").subject == "ana"
    assert refusal(ISSUER.token(NOW, nonce="n-1"), nonce="n-2") is Refusal.NONCE
    assert refusal(ISSUER.token(NOW), nonce="n-1") is Refusal.NONCE


def test_tokens_made_for_something_else() -> None:
    claims = ISSUER.claims(NOW)
    assert refusal(ISSUER.sign(claims, typ="at+jwt")) is Refusal.WRONG_KIND
    assert refusal(ISSUER.sign(claims, typ="logout+jwt")) is Refusal.WRONG_KIND
    assert refusal(ISSUER.token(NOW, typ="Bearer")) is Refusal.WRONG_KIND
    assert refusal(ISSUER.token(NOW, token_use="refresh")) is Refusal.WRONG_KIND
    logout: dict[str, Any] = {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert refusal(ISSUER.token(NOW, events=logout)) is Refusal.WRONG_KIND
    assert prove(ISSUER.sign({**claims, "typ": "ID"}, typ="jwt", x5t="ignored")).subject == "ana"


# When


def test_the_time_of_a_token() -> None:
    token = ISSUER.token(NOW)
    end = NOW + 300
    assert prove(token, now=end + LEEWAY_SECONDS - 1).subject == "ana"
    assert refusal(token, now=end + LEEWAY_SECONDS) is Refusal.EXPIRED
    assert prove(token, now=NOW - LEEWAY_SECONDS).subject == "ana"
    assert refusal(token, now=NOW - LEEWAY_SECONDS - 1) is Refusal.NOT_YET_VALID
    later = ISSUER.token(NOW, nbf=NOW + 120.5)
    assert refusal(later) is Refusal.NOT_YET_VALID
    assert prove(later, now=NOW + 61).subject == "ana"


def test_an_old_token_is_not_exchanged_though_it_is_valid() -> None:
    token = ISSUER.token(NOW, exp=NOW + 86_400)
    assert prove(token, now=NOW + AGE_SECONDS + LEEWAY_SECONDS - 1).subject == "ana"
    assert refusal(token, now=NOW + AGE_SECONDS + LEEWAY_SECONDS) is Refusal.TOO_OLD


# What else it says


@pytest.mark.parametrize("email", ["", "a@", "no-at", "a@b@c", "a b@c.de", "a@b\n.de", "a@" + "b" * 260, 7, ["a@b.de"]])
def test_an_email_that_is_none_is_left_out(email: Any) -> None:
    assert prove(ISSUER.token(NOW, email=email)).email is None


def test_names_and_verification_are_read_with_care() -> None:
    assert prove(ISSUER.token(NOW, name="x" * 500)).name == "x" * 100
    assert prove(ISSUER.token(NOW, name="\u0000 \n")).name is None
    assert prove(ISSUER.token(NOW, name={"a": 1})).name is None
    assert prove(ISSUER.token(NOW, email_verified="true")).email_verified
    for value in ("false", "yes", 1.5, [True], None):
        assert not prove(ISSUER.token(NOW, email_verified=value)).email_verified


def test_a_tenant_claim_counts_only_for_the_operators_issuers() -> None:
    token = ISSUER.token(NOW, **{"custom:tenant_id": "acme"})
    theirs = Registration(ISSUER.url, CLIENT, None, operator=False, tenant_claim="custom:tenant_id")
    ours = Registration(ISSUER.url, CLIENT, None, operator=True, tenant_claim="custom:tenant_id")
    assert prove(token, theirs).tenant_claim is None
    assert prove(token, ours).tenant_claim == "acme"
    for value in (None, "", 7, ["acme"], "a\u0000", "a" * 201):
        assert refusal(ISSUER.token(NOW, **{"custom:tenant_id": value}), ours) is Refusal.BAD_CLAIMS


def test_a_token_is_in_no_representation() -> None:
    token = ISSUER.token(NOW, email="ana@example.com")
    claim = claimed(take_apart(token))
    assert "ana" not in f"{claim!r}{claim.token!r}"


# Cognito


def access_claims(**changes: Any) -> dict[str, Any]:
    claims = ISSUER.claims(
        NOW,
        aud=None,
        token_use="access",
        client_id=CLIENT,
        scope="openid profile",
        username="ana",
        version=2,
        auth_time=NOW,
        jti="0f1d",
        **{"cognito:groups": ["staff"]},
    )
    return {name: value for name, value in (claims | changes).items() if value is not None}


def test_an_access_token_of_cognito() -> None:
    person = prove(ISSUER.sign(access_claims()))
    assert (person.subject, person.client_id, person.token_kind, person.email) == ("ana", CLIENT, "access", None)


def test_an_id_token_of_cognito() -> None:
    token = ISSUER.token(NOW, token_use="id", email="ana@example.com", email_verified=True)
    assert prove(token).token_kind == "id"


def test_access_tokens_that_are_not_for_this_client_or_for_nobody() -> None:
    assert refusal(ISSUER.sign(access_claims(client_id="another-app"))) is Refusal.WRONG_AUDIENCE
    assert refusal(ISSUER.sign(access_claims(client_id=None))) is Refusal.WRONG_AUDIENCE
    assert refusal(ISSUER.sign(access_claims(aud=CLIENT))) is Refusal.WRONG_AUDIENCE
    assert refusal(ISSUER.sign(access_claims(sub=CLIENT))) is Refusal.WRONG_KIND
    assert refusal(ISSUER.sign(access_claims(token_use=None))) is Refusal.WRONG_AUDIENCE
    assert refusal(ISSUER.sign(access_claims()), nonce="n") is Refusal.NONCE
